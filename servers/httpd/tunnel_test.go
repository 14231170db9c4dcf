package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http2"
	"github.com/weir-go/weir/servers"
)

const connect = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"

// TestReplyToConnectHasNoLength requires no framing in a 2xx reply to CONNECT (RFC 9110 9.3.6), and a Content-Length in
// any other.
func TestReplyToConnectHasNoLength(t *testing.T) {
	flushed := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		show(w, r)
	}
	got := rawReply(t, start(t, http.HandlerFunc(flushed), nil), connect)
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(got))
	require.NotContains(t, got, "Content-Length")
	require.NotContains(t, got, "Transfer-Encoding")
	require.Contains(t, got, `CONNECT "b:443"`)
	got = rawReply(t, start(t, status(404, "x"), nil), connect)
	require.Contains(t, got, "Content-Length: 1\r\n")
}

// TestTunnelThatNobodyOpensIsNotGranted has handlers that answer every method alike.
func TestTunnelThatNobodyOpensIsNotGranted(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		return x.Reply(http.StatusOK, typeText, []byte("hello"))
	}, nil)
	for _, addr := range []string{start(t, say("hello"), nil), start(t, status(204, ""), nil), native, over} {
		got := rawReply(t, addr, connect+evil)
		require.Equal(t, "HTTP/1.1 501 Not Implemented", statusLine(got))
		require.Contains(t, got, "\r\nConnection: close\r\n")
		require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "%q", got)
		require.NotContains(t, got, "hello")
	}
}

func TestTunnelOverHTTP2ThatNobodyOpensIsNotGranted(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		return x.Reply(http.StatusOK, typeText, []byte("hello"))
	}, nil)
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for handler, addr := range map[string]string{
		"body": start(t, say("hello"), nil), "status": start(t, status(204, ""), nil), "nothing": start(t, nothing, nil),
		"native": native, "over": over,
	} {
		for kind, head := range tunnelHeads {
			t.Run(handler+"/"+kind, func(t *testing.T) {
				c := h2conn(t, addr)
				require.NoError(t, c.AwaitSettings(t.Context()))
				s, err := c.Open(t.Context(), head, false)
				require.NoError(t, err)
				h, err := s.Head(t.Context())
				require.NoError(t, err)
				require.Equal(t, http.StatusNotImplemented, h.Status)
				body, err := s.In.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, "Not Implemented\n", string(body))
				_, err = s.In.Next(t.Context())
				require.Equal(t, io.EOF, err)
			})
		}
	}
}

// echoTunnel accepts tunnels and echoes their data, even after it has returned.
func echoTunnel(ends chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Protocol", strings.Join(r.Header[":protocol"], ""))
		c, err := Tunnel(w, r)
		if err != nil {
			ends <- err
			return
		}
		_, again := w.Write([]byte("x"))
		if !errors.Is(again, http.ErrHijacked) {
			panic("Write on a tunnel")
		}
		go func() { // continues after the handler has returned
			_, err := chanio.Transfer(context.Background(), c.In, c.Out)
			ends <- errors.Join(err, c.Close())
		}()
	})
}

func TestTunnelOverHTTP1(t *testing.T) {
	ends := make(chan error, 1)
	nc, in := dial(t, start(t, echoTunnel(ends), nil))
	_, err := io.WriteString(nc, "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nfirst")
	require.NoError(t, err)
	r, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode)
	requireEcho(t, nc, in, "first")
	_ = nc.Close()
	<-ends
}

func requireEcho(t *testing.T, out io.Writer, in *bufio.Reader, first string) {
	t.Helper()
	_, err := io.WriteString(out, "second")
	require.NoError(t, err)
	p := make([]byte, len(first)+len("second"))
	_, err = io.ReadFull(in, p)
	require.NoError(t, err)
	require.Equal(t, first+"second", string(p))
}

// h2conn dials addr with the client of package http2.
func h2conn(t *testing.T, addr string) *http2.Conn {
	t.Helper()
	nc, _ := dial(t, addr)
	under := chanio.NewConn(nc, nil)
	c := http2.NewClient(under, nil)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.Run(context.Background())
	}()
	t.Cleanup(func() {
		c.Abort(nil)
		<-over
	})
	return c
}

var tunnelHeads = map[string][]http2.Field{
	"plain": {{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}},
	"extended": {
		{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "own"}, {Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: "b"}, {Name: ":path", Value: "/chat"},
	},
}

func TestTunnelOverHTTP2(t *testing.T) {
	for name, head := range tunnelHeads {
		t.Run(name, func(t *testing.T) {
			ends := make(chan error, 1)
			c := h2conn(t, start(t, echoTunnel(ends), nil))
			require.NoError(t, c.AwaitSettings(t.Context()))
			require.True(t, c.AllowsConnect())
			s, err := c.Open(t.Context(), head, false)
			require.NoError(t, err)
			h, err := s.Head(t.Context())
			require.NoError(t, err)
			require.Equal(t, 200, h.Status)
			require.EqualValues(t, -1, h.Length)
			conn := s.Conn(nil)
			for range 3 {
				require.NoError(t, conn.Out.Send(t.Context(), []byte("ping")))
				got, err := conn.In.Recv(t.Context())
				require.NoError(t, err)
				require.Equal(t, "ping", string(got))
			}
			require.NoError(t, conn.Out.Close())
			_, err = conn.In.Recv(t.Context())
			require.Equal(t, io.EOF, err)
			require.NoError(t, <-ends)
			<-conn.Done()
		})
	}
}

// TestTunnelsThatAreOverAreForgotten has handlers that open a tunnel on a connection that continues, and return, panic
// or exit.
func TestTunnelsThatAreOverAreForgotten(t *testing.T) {
	for name, end := range map[string]func(tunnel io.Closer){
		"returns": func(tunnel io.Closer) { _ = tunnel.Close() },
		"panics":  func(io.Closer) { panic(http.ErrAbortHandler) },
		"exits":   func(io.Closer) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			cl := h2conn(t, start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodConnect {
					tunnel, err := Tunnel(w, r)
					if err != nil {
						panic(err)
					}
					end(tunnel)
					return
				}
				open := &w.(*streamResponse).conn.h2.tunnels
				open.mu.Lock()
				defer open.mu.Unlock()
				_, _ = fmt.Fprint(w, len(open.all))
			}), nil))
			for range 3 {
				s, err := cl.Open(t.Context(), []http2.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}, false)
				require.NoError(t, err)
				_ = s.Out.Close() // fails if the stream was reset
				hears(t, s)
			}
			require.Eventually(t, func() bool {
				s, err := cl.Open(t.Context(), ask2("GET"), true)
				require.NoError(t, err)
				p := make([]byte, 1)
				_, err = s.In.Read(t.Context(), p)
				return err == nil && p[0] == '0'
			}, patience, 1e6)
		})
	}
}

func TestShutdownEndsTheInputOfTunnels(t *testing.T) {
	ends := make(chan error, 1)
	addr, srv := startServer(t, echoTunnel(ends), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), []http2.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}, false)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorIs(t, <-ends, servers.ErrShutdown)
}

func TestExtendedConnectThatIsSwitchedOffIsMalformed(t *testing.T) {
	c := h2conn(t, start(t, echoTunnel(make(chan error, 1)), &Config{HTTP2: HTTP2Config{NoConnect: true}}))
	require.NoError(t, c.AwaitSettings(t.Context()))
	require.False(t, c.AllowsConnect())
	s, err := c.Open(t.Context(), []http2.Field{
		{Name: ":method", Value: "CONNECT"}, {Name: ":protocol", Value: "own"}, {Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: "b"}, {Name: ":path", Value: "/chat"},
	}, false)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	var reset *StreamError
	require.ErrorAs(t, err, &reset)
	require.Equal(t, http2.ProtocolError, reset.Code)
}
