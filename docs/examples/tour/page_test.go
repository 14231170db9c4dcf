package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/docs/examples/internal/peertest"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// drive opens the page twice, uses all scenes like a visitor, and posts the results.
const drive = `<!doctype html><meta charset="utf-8"><iframe id="a" src="/"></iframe><iframe id="b" src="/"></iframe><script type="module">
const errors = [];
const until = async (what, f) => {
  for (let i = 0; i < 600; i++) {
    const v = f();
    if (v) return v;
    await new Promise((ok) => setTimeout(ok, 50));
  }
  throw new Error("waited too long for " + what);
};
const tab = (id) => {
  const w = document.getElementById(id).contentWindow;
  w.onerror = (message) => errors.push(String(message));
  w.console.error = (...all) => errors.push(all.join(" "));
  return w.document;
};
const type = (form, values) => {
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
  form.requestSubmit();
};
const run = async () => {
  await until("the pages", () => ["a", "b"].every((id) => {
    const d = document.getElementById(id).contentDocument;
    return d?.readyState === "complete" && d.getElementById("versions");
  }));
  const a = tab("a"), b = tab("b"), seen = {};
  await until("the notice that the tour is gone", () => !a.getElementById("gone").hidden && !b.getElementById("gone").hidden);
  await fetch("/back", { method: "POST" });
  const heard = (d) => d.getElementById("heard").textContent;
  type(a.getElementById("join"), { room: "quay", name: "ann" });
  await until("ann", () => heard(a).includes("ann is here"));
  type(b.getElementById("join"), { room: "quay", name: "ben" });
  await until("ben", () => heard(a).includes("ben is here"));
  type(a.getElementById("say"), { text: "hello, ben" });
  seen.chat = await until("the message", () => heard(b).includes("ann: hello, ben"));
  b.getElementById("leave").focus();
  b.getElementById("leave").click();
  seen.left = await until("ben's leaving", () => heard(a).includes("ben has left"));
  seen.focus = await until("the form to join", () => !b.getElementById("join").hidden && b.activeElement.name);
  type(b.getElementById("join"), { name: "bea" });
  type(b.getElementById("join"), { name: "bea" });
  await until("bea", () => heard(a).includes("bea is here"));
  type(b.getElementById("say"), { text: "once" });
  await until("her message", () => heard(a).includes("bea: once"));
  seen.once = heard(a).split("bea is here").length - 1;
  a.getElementById("count").click();
  await until("a number", () => a.getElementById("counted").textContent);
  a.getElementById("count").click();
  seen.numbers = await until("nine", () => a.getElementById("counted").textContent.includes("9") && a.getElementById("counted").textContent.trim());
  await until("boxes", () => a.querySelectorAll("#boxes > div").length > 5);
  seen.boxes = [...a.querySelectorAll("#boxes small")].map((e) => e.textContent);
  a.getElementById("break").click();
  await until("a bad frame", () => a.getElementById("verdict").className === "bad");
  seen.bad = a.querySelector("#boxes .bad").textContent;
  seen.verdict = a.getElementById("verdict").textContent;
  const flow = a.getElementById("flow");
  flow.elements.arrive.value = 5;
  flow.elements.consume.value = 500;
  flow.elements.size.value = 5;
  [...flow.elements.policy].find((e) => e.value === "DropOldest").checked = true;
  flow.dispatchEvent(new Event("input", { bubbles: true }));
  seen.dropped = (await until("drops", () => Number(a.getElementById("dropped").textContent))) > 0;
  a.getElementById("ask").click();
  await until("versions", () => a.querySelectorAll("#asked pre").length === 3);
  seen.versions = [...a.querySelectorAll("#asked h3")].map((e) => e.textContent);
  seen.frames = a.querySelectorAll("#asked pre")[1].textContent.includes("HEADERS");
  await until("a plot", () => a.querySelector("#plot polyline")?.getAttribute("points").split(" ").length >= 2);
  seen.plot = a.getElementById("gone").hidden;
  seen.errors = errors;
  return seen;
};
run().catch((e) => ({ failed: String(e), errors })).then((seen) => fetch("/done", { method: "POST", body: JSON.stringify(seen) }));
</script>`

func TestPageInABrowser(t *testing.T) {
	browser := peertest.Program(t, "chromium", "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p := &page{rooms: newRooms(), metrics: sse.NewTopic(nil)}
	handler, err := p.handler()
	require.NoError(t, err)
	results := make(chan map[string]any, 1)
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET /drive", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, drive) })
	back := make(chan struct{})
	mux.HandleFunc("POST /back", func(http.ResponseWriter, *http.Request) { close(back) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-back:
			handler.ServeHTTP(w, r)
		default:
			panic(http.ErrAbortHandler) // as if there were no server
		}
	})
	mux.HandleFunc("POST /done", func(_ http.ResponseWriter, r *http.Request) {
		var seen map[string]any
		_ = json.NewDecoder(r.Body).Decode(&seen)
		results <- seen
	})
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	serving, stop := context.WithCancel(context.Background())
	over := make(chan error, 2)
	go func() { over <- httpd.New(mux, nil).ServeListener(serving, ln) }()
	go func() { over <- p.measure(serving) }()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+profile(t), "http://"+ln.Addr().String()+"/drive")
	require.NoError(t, cmd.Start())
	var seen map[string]any
	select {
	case seen = <-results:
	case <-ctx.Done():
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	stop()
	require.NoError(t, <-over)
	require.NoError(t, <-over)
	require.NotNil(t, seen, "the browser has reported nothing")
	require.Equal(t, map[string]any{
		"chat": true, "left": true, "focus": "name", "once": 1.0, "numbers": "0 1 2 3 4 5 6 7 8 9", "dropped": true, "plot": true, "frames": true,
		"boxes":    []any{"length", "id", "weight", "length of name", "name", "number of tags", "length of tag", "tag", "length of tag", "tag"},
		"bad":      seen["bad"],
		"verdict":  seen["verdict"],
		"versions": []any{"HTTP/1.1", "HTTP/2, frame by frame", "WebSocket"},
		"errors":   []any{},
	}, seen)
	require.Contains(t, seen["verdict"], "at byte")
}

func TestPageIsForThisMachine(t *testing.T) {
	p := &page{rooms: newRooms(), metrics: sse.NewTopic(nil)}
	handler, err := p.handler()
	require.NoError(t, err)
	for host, want := range map[string]int{
		"localhost:8000": 200, "127.0.0.1": 200, "[::1]:8000": 200, "evil.example": 421, "evil.example:8000": 421, "localhost.evil.example": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}

func TestInspectorNamesBytesAndOffsets(t *testing.T) {
	good := encoded(parcel{ID: 7, Weight: 350, Name: "apples", Tags: []string{"red"}})
	require.Empty(t, good.Error)
	var all strings.Builder
	for _, b := range good.Boxes {
		all.WriteString(b.Bytes)
	}
	require.Equal(t, *good.Value, *decoded(all.String()).Value)
	bad := decoded("0009 00000007 015e 05 61")
	require.Equal(t, int64(9), bad.Offset)
	require.Contains(t, bad.Error, "name at byte 9")
	require.Equal(t, int64(-1), decoded("zz").Offset)
	require.NotEmpty(t, encoded(parcel{Name: strings.Repeat("x", 300)}).Error)
}

func TestFlowDropsOrWaits(t *testing.T) {
	for _, query := range []string{
		"arrive=0&consume=1&size=1&policy=Block", "arrive=1&consume=x&size=1&policy=Block",
		"arrive=1&consume=1&size=1&policy=None", "arrive=1&consume=1&size=999&policy=Block",
	} {
		r := httptest.NewRequest("GET", "/pressure?"+query, nil)
		_, err := flowOf(r.URL.Query())
		require.Error(t, err, query)
	}
}

// prompt is a connection whose peer has replied before Write returns.
type prompt struct {
	net.Conn
	replied func()
}

func (p *prompt) Read(b []byte) (int, error) { return copy(b, "reply"), nil }

func (p *prompt) Write(b []byte) (int, error) {
	p.replied()
	return len(b), nil
}

func TestRecorderKeepsTheOrder(t *testing.T) {
	rec, peer := &recorder{}, &prompt{}
	c := &recorded{peer, rec}
	peer.replied = func() { _, _ = c.Read(make([]byte, 10)) }
	_, err := c.Write([]byte("request"))
	require.NoError(t, err)
	require.Equal(t, []string{"> request", "< reply"}, rec.lines())
}

// profile returns a directory for a browser. Child processes of a killed browser still write to it for a moment.
func profile(t *testing.T) string {
	dir, err := os.MkdirTemp("", "browser")
	require.NoError(t, err)
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return dir
}
