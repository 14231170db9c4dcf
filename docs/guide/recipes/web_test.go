package recipes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
)

// serveHTTP serves a handler until the test ends and returns its host and port.
func serveHTTP(t *testing.T, h http.Handler) string {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- httpd.New(h, nil).ServeListener(ctx, ln) }()
	t.Cleanup(func() {
		httpc.Default().CloseIdleConnections()
		cancel()
		require.NoError(t, <-over)
	})
	return ln.Addr().String()
}

func TestTally(t *testing.T) {
	addr := serveHTTP(t, httpd.Reply(tally))
	sum, err := askTally(t.Context(), "http://"+addr, []Item{{"apples", 2}, {"pears", 3}})
	require.NoError(t, err)
	require.Equal(t, Item{"total", 5}, sum)
	resp, err := httpc.Post(t.Context(), "http://"+addr, httpc.Text("no JSON"))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, resp.Status)
	require.NoError(t, resp.Close())
}

func TestBothServersFinishWhatIsInProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	webOn, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	raw, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	asked, told := make(chan struct{}), make(chan struct{})
	web := httpd.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-told // until the other server has been told to end
		_, _ = io.WriteString(w, "done")
	}), nil)
	over := make(chan error, 1)
	go func() {
		over <- serveBoth(ctx, web, webOn, raw, func(ctx context.Context, c *chanio.Conn) error {
			for line := range codec.Decode(c.In, codec.Lines).All(ctx) {
				require.Equal(t, "hello", line)
			}
			defer close(told)
			return codec.Send(ctx, c.Out, codec.Lines, "goodbye")
		})
	}()
	conn, err := clients.DialTCP(t.Context(), raw.Addr().String(), nil)
	require.NoError(t, err)
	defer conn.Close()
	lines := codec.Frame(conn, codec.Lines)
	require.NoError(t, lines.Out.Send(t.Context(), "hello"))
	go func() {
		<-asked
		cancel()
	}()
	client := httpc.New(nil)
	defer client.Close()
	resp, err := client.Get(t.Context(), "http://"+webOn.Addr().String())
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "done", text)
	last, err := lines.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "goodbye", last)
	require.NoError(t, <-over)
}

func TestBothServersEndIfOneCannotServe(t *testing.T) {
	webOn, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	raw, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	require.NoError(t, raw.Shutdown(t.Context()))
	_ = serveBoth(t.Context(), httpd.New(http.NotFoundHandler(), nil), webOn, raw, func(context.Context, *chanio.Conn) error { return nil })
}

func TestUploads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	got := map[string]string{}
	addr := serveHTTP(t, uploads(func(ctx context.Context, name string, content *chanio.Source[[]byte]) error {
		text, err := io.ReadAll(chanio.NewReader(ctx, content))
		got[name] = string(text)
		return err
	}))
	status, err := upload(t.Context(), "http://"+addr, path)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, map[string]string{"a.txt": "content"}, got)
	resp, err := httpc.Post(t.Context(), "http://"+addr, httpc.Text("no form"))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, resp.Status)
	require.NoError(t, resp.Close())
}

func TestAgent(t *testing.T) {
	asked := 0
	proxy := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, r.Host)
	}))
	client := newAgent(&url.URL{Scheme: "http", Host: proxy})
	defer client.Close()
	resp, err := client.Get(t.Context(), "http://origin.test/")
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "origin.test", text)
	require.Equal(t, 3, asked)
}

func TestPrices(t *testing.T) {
	want := []Price{{1}, {2}}
	addr := serveHTTP(t, pricesHandler(func(context.Context) *chanio.Source[Price] { return chanio.FromSlice(want) }))
	got, err := readPrices(t.Context(), "http://"+addr)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestIngest(t *testing.T) {
	want := []Price{{1}, {2}}
	var got []Price
	addr := serveHTTP(t, ingest(func(prices []Price) error {
		got = append(got, prices...)
		return nil
	}))
	status, err := send(t.Context(), "http://"+addr, chanio.FromSlice(want))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, got)

	resp, err := httpc.Post(t.Context(), "http://"+addr, httpc.Text("{}\nno JSON\n"))
	require.NoError(t, err)
	text, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, resp.Status)
	require.Contains(t, text, "at byte 4")
}

func TestConverse(t *testing.T) {
	say, out := chanio.PipeOf[[]byte](0)
	resp, err := converse(t.Context(), "http://"+serveHTTP(t, httpd.Stream(upper)), say)
	require.NoError(t, err)
	defer resp.Close()
	for _, word := range []string{"one", "two"} {
		require.NoError(t, out.Send(t.Context(), []byte(word)))
		got, err := resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, strings.ToUpper(word), string(got))
	}
	require.NoError(t, out.Close())
	_, err = resp.Body.Recv(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

func TestEvents(t *testing.T) {
	topic := sse.NewTopic(nil)
	addr := serveHTTP(t, events(topic))
	heard, err := listenTo(t.Context(), "http://"+addr)
	require.NoError(t, err)
	values, out := chanio.PipeOf[string](0)
	go func() { _ = publish(t.Context(), topic, values) }()
	got := make(chan string, 1)
	go func() {
		v, _ := heard.Recv(t.Context())
		got <- v
	}()
	for {
		require.NoError(t, out.Send(t.Context(), "news"))
		select {
		case v := <-got:
			require.Equal(t, "news", v)
			require.NoError(t, heard.Close())
			require.NoError(t, out.Close())
			return
		case <-time.After(20 * time.Millisecond): // the client was not there yet
		}
	}
}

func TestMirror(t *testing.T) {
	topic := sse.NewTopic(nil)
	defer topic.Close()
	over := make(chan struct{})
	live := eventsUntil(over, topic)
	requests := 0
	addr := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests > 1 {
			live.ServeHTTP(w, r)
			return
		}
		close(over)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "retry: 100\n\nevent: stale\ndata:\n\ndata: news\n\n")
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var seen []string
	require.NoError(t, mirror(ctx, "http://"+addr,
		func(context.Context) error { seen = append(seen, "reload"); return nil },
		func(e sse.Event) { seen = append(seen, e.Data) }))
	require.Equal(t, []string{"reload", "news"}, seen)
	require.Equal(t, 2, requests)
}

func TestRooms(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}", roomsOf(func(ctx context.Context, room string, conn *websocket.Conn) error {
		return conn.Out.Send(ctx, websocket.Text("welcome to "+room))
	}))
	conn, err := httpc.DialWebSocket(t.Context(), "ws://"+serveHTTP(t, mux)+"/rooms/lobby", nil)
	require.NoError(t, err)
	defer conn.Close()
	got, err := websocket.Texts(conn).In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "welcome to lobby", got)
}

func TestBroadcast(t *testing.T) {
	messages := bus.New[string, websocket.Message]()
	defer messages.Close()
	addr := serveHTTP(t, broadcast(messages))
	conn, err := httpc.DialWebSocket(t.Context(), "ws://"+addr, nil)
	require.NoError(t, err)
	defer conn.Close()
	require.Eventually(t, func() bool { return len(messages.Subscribers("all")) == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, announce(t.Context(), messages, "hello, all"))
	got, err := websocket.Texts(conn).In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello, all", got)
}

func TestSecured(t *testing.T) {
	cert, pool, err := servers.SelfSigned("localhost")
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	write := func(name, kind string, p []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: p}), 0o600))
		return path
	}
	certFile, keyFile := write("cert.pem", "CERTIFICATE", cert.Certificate[0]), write("key.pem", "PRIVATE KEY", key)
	var log bytes.Buffer
	cfg := secured(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)), "localhost")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- httpd.New(http.NotFoundHandler(), cfg).Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	for host, status := range map[string]int{"": http.StatusNotFound, "example.com": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost:"+port, nil)
		require.NoError(t, err)
		r.Host = host
		resp, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
	}
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-over)
	require.Contains(t, log.String(), "status=404")
}
