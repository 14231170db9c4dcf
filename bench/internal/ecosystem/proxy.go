package ecosystem

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// Backend is a handler for tests of proxies. Its path /lines sends one more line for each value in next.
func Backend(next <-chan string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Forwarded", r.Header.Get("X-Forwarded-For"))
		w.Header().Set("Trailer", "X-Sum")
		p, _ := io.ReadAll(r.Body)
		_, _ = w.Write(p)
		_ = http.NewResponseController(w).Flush() // HTTP/1.1 has no trailers with a Content-Length
		w.Header().Set("X-Sum", fmt.Sprint(len(p)))
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/lines", func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case line, ok := <-next:
				if !ok {
					return
				}
				_, _ = io.WriteString(w, line+"\n")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.Handle("/ws", httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		return pipeline.Connect(ctx, conn.In, conn.Out)
	}, nil))
	return mux
}

// Proxy is a reverse proxy to backend.
func Proxy(t testing.TB, backend Server, transport http.RoundTripper) http.Handler {
	u, err := url.Parse(backend.URL)
	require.NoError(t, err)
	return &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.SetXForwarded()
		},
	}
}

// ThroughProxy tests requests through a proxy in front of a Backend whose lines come from next, and, if upgrades is
// set, a WebSocket.
func ThroughProxy(t *testing.T, proxy Server, next chan<- string, upgrades bool) {
	client := proxy.Client(t)
	r, err := http.NewRequestWithContext(Within(t), http.MethodPost, proxy.URL+"/echo", io.MultiReader(strings.NewReader("hello")))
	require.NoError(t, err)
	resp, err := client.Do(r)
	require.NoError(t, err)
	p, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "hello", string(p))
	require.Equal(t, "127.0.0.1", resp.Header.Get("X-Forwarded"))
	require.Equal(t, http.Header{"X-Sum": {"5"}, "X-Late": {"yes"}}, resp.Trailer)

	long := strings.Repeat("0123456789abcdef", 1<<15)
	_, body := proxy.Do(t, client, http.MethodPost, "/echo", strings.NewReader(long))
	require.True(t, body == long)
	hintsThrough(t, proxy, client)
	linesThrough(t, proxy, client, next)

	cut, err := client.Get(proxy.URL + "/cut")
	require.NoError(t, err)
	p, err = io.ReadAll(cut.Body)
	require.Error(t, err, "%q", p)
	require.NoError(t, cut.Body.Close())
	if upgrades {
		webSocketThrough(t, proxy)
	}
}

func hintsThrough(t *testing.T, proxy Server, client *http.Client) {
	var hints []string
	ctx := httptrace.WithClientTrace(Within(t), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		},
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.URL+"/hints", nil)
	require.NoError(t, err)
	resp, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, []string{"103 </a.css>; rel=preload", "102 </a.css>; rel=preload"}, hints)
}

// linesThrough checks that each line arrives before the next one is sent, and that the backend notices the end of a
// client.
func linesThrough(t *testing.T, proxy Server, client *http.Client, next chan<- string) {
	ctx, cancel := context.WithCancel(Within(t))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, proxy.URL+"/lines", nil)
	require.NoError(t, err)
	go func() { next <- "0" }() // the head of a response may wait for the first bytes
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	in := bufio.NewReader(resp.Body)
	for i := range 5 {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(i), line)
		next <- fmt.Sprint(i + 1)
	}
}

func webSocketThrough(t *testing.T, proxy Server) {
	ctx := Within(t)
	conn, err := proxy.Ours(t, nil).DialWebSocket(ctx, strings.Replace(proxy.URL, "http", "ws", 1)+"/ws", nil)
	require.NoError(t, err)
	defer conn.Abort(nil)
	for _, m := range []string{"hello", strings.Repeat("x", 500_000), ""} {
		sent := make(chan error, 1)
		go func() { sent <- conn.Out.Send(ctx, websocket.Text(m)) }()
		got, err := conn.In.Recv(ctx)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, string(got.Data) == m)
	}
	_, err = conn.Ping(ctx)
	require.NoError(t, err)
	require.NoError(t, conn.CloseWith(4000, "done"))
	code, _, ok := conn.CloseStatus()
	require.True(t, ok)
	require.EqualValues(t, 4000, code)
}
