package httpd_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/servers/httpd"
)

// page uses WebSockets and events as browsers do, and posts the results.
const page = `<!doctype html><meta charset="utf-8"><script>
const url = location.href.replace("http", "ws");
const open = (path, ...rest) => new Promise((ok, no) => {
  const s = new WebSocket(url + path, ...rest);
  s.binaryType = "arraybuffer";
  s.onopen = () => ok(s);
  s.onerror = () => no("error at " + path);
});
const message = s => new Promise((ok, no) => { s.onmessage = m => ok(m.data); s.onclose = e => no("closed " + e.code); });
const closed = s => new Promise(ok => s.onclose = e => ok([e.code, e.reason, e.wasClean]));
(async () => {
  const r = {};
  let s = await open("echo", ["other", "weir"]);
  r.protocol = s.protocol;
  r.extensions = s.extensions;
  s.send("h\u00e9llo \u{1F600}");
  r.text = await message(s);
  const big = new Uint8Array(16 << 20).map((_, i) => i % 251);
  s.send(big);
  const back = new Uint8Array(await message(s));
  r.big = back.length === big.length && back.every((x, i) => x === big[i]);
  let sent = "compress me ".repeat(5000);
  s.send(sent);
  r.long = await message(s) === sent;
  let done = closed(s);
  s.close(4000, "mine");
  r.mine = await done;
  s = await open("code");
  r.theirs = await closed(s);
  s = await open("slow");
  for (let i = 0; i < 200; i++) s.send(new Uint8Array(64 << 10));
  r.slow = await message(s);
  s.close();
  const e = new EventSource("events");
  r.events = await new Promise(ok => { const all = []; e.onmessage = m => { all.push(m.lastEventId + " " + m.data); if (all.length == 2) ok(all); }; });
  e.close();
  return r;
})().then(r => fetch("done", {method: "POST", body: JSON.stringify(r)}), err => fetch("done", {method: "POST", body: JSON.stringify({error: String(err)})}));
</script>`

// chromium returns the path of the browser. If there is none, it skips the test, or fails it with WEIR_REQUIRE=1.
func chromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("WEIR_REQUIRE") == "1" {
		t.Fatal("chromium is not installed")
	}
	t.Skip("chromium is not installed")
	return ""
}

func TestABrowserUnderstandsOurWebSocketsAndEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	browser := chromium(t)
	results := make(chan map[string]any, 1)
	cfg := &httpd.UpgradeConfig{Subprotocols: []string{"weir"}}
	cfg.WebSocket.Deflate = &websocket.Deflate{}
	cfg.WebSocket.MaxMessage = 16 << 20
	topic := sse.NewTopic(&sse.TopicConfig{Epoch: "e"})
	for _, data := range []string{"one", "two\nlines"} {
		_, err := topic.Publish(t.Context(), sse.Event{Data: data})
		require.NoError(t, err)
	}
	mux := http.NewServeMux()
	mux.Handle("/echo", echoes(cfg))
	mux.Handle("/code", httpd.WebSocket(func(context.Context, *websocket.Conn) error {
		return &websocket.CloseError{Code: 4321, Reason: "theirs"}
	}, nil))
	mux.Handle("/slow", httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		time.Sleep(300 * time.Millisecond) // the browser is another process
		for range 200 {
			if _, err := conn.In.Recv(ctx); err != nil {
				return err
			}
		}
		return conn.Out.Send(ctx, websocket.Text("all"))
	}, nil))
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Last-Event-ID", "e-0")
		httpd.ServeTopic(topic, nil).ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /done", func(_ http.ResponseWriter, r *http.Request) {
		var got map[string]any
		_ = json.NewDecoder(r.Body).Decode(&got)
		results <- got
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) })
	url, _ := serveOurs(t, mux)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+profile(t), "http"+url+"/")
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var got map[string]any
	select {
	case got = <-results:
	case err := <-exited:
		t.Fatalf("the browser ended: %v", err)
	}
	require.NoError(t, cmd.Process.Kill())
	<-exited
	require.Equal(t, map[string]any{
		"protocol": "weir", "extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"text": "héllo 😀", "big": true, "long": true,
		"mine": []any{4000.0, "", true}, "theirs": []any{4321.0, "theirs", true},
		"slow": "all", "events": []any{"e-1 one", "e-2 two\nlines"},
	}, got)
}

// profile returns a directory for a browser. Child processes of the browser write to it for a moment after it was
// killed.
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
