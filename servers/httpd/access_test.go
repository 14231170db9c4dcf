package httpd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// accesses collects what the hooks receive.
type accesses struct {
	mu           sync.Mutex
	began, ended []Access
}

func (a *accesses) hooks() *Hooks {
	return &Hooks{
		Began: func(x Access) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.began = append(a.began, x)
		},
		Ended: func(x Access) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.ended = append(a.ended, x)
		},
	}
}

// accessOf runs exchange against a server and returns what the hooks have received once that is over.
func accessOf(t *testing.T, cfg Config, handler http.Handler, exchange func(t *testing.T, addr string)) *accesses {
	t.Helper()
	seen := &accesses{}
	cfg.Hooks = seen.hooks()
	t.Run("exchange", func(t *testing.T) { exchange(t, start(t, handler, &cfg)) })
	seen.mu.Lock()
	defer seen.mu.Unlock()
	return seen
}

func sends(raw string) func(t *testing.T, addr string) {
	return func(t *testing.T, addr string) { rawReply(t, addr, raw) }
}

// asks is sends for a client that stays until it has the reply, because its handler may watch for a disconnect.
func asks(raw string) func(t *testing.T, addr string) {
	return func(t *testing.T, addr string) {
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, raw)
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, nc.Close())
	}
}

// aborts sends raw, waits for the first byte of a reply, and resets the connection.
func aborts(raw string) func(t *testing.T, addr string) {
	return func(t *testing.T, addr string) {
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, raw)
		require.NoError(t, err)
		_, err = in.ReadByte()
		require.NoError(t, err)
		require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
		require.NoError(t, nc.Close())
	}
}

func flushed1(w http.ResponseWriter) {
	_, _ = io.WriteString(w, "hello")
	w.(http.Flusher).Flush()
}

var errBoom = errors.New("boom")

// endings are all ways in which an HTTP/1 exchange ends.
var endings = []struct {
	name     string
	cfg      Config
	handler  http.HandlerFunc
	exchange func(t *testing.T, addr string)
	want     Access // Kind, Method, Status, Received and Sent
	err      func(t *testing.T, err error)
	unbegun  bool
}{
	{name: "reply", handler: say("hello"), exchange: sends(getLine), want: Access{Method: "GET", Status: 200, Sent: 5}},
	{name: "long reply", handler: say(strings.Repeat("x", 10000)), exchange: sends(getLine), want: Access{Method: "GET", Status: 200, Sent: 10000}},
	{name: "head", handler: say("hello"), exchange: sends(headLine), want: Access{Method: "HEAD", Status: 200}},
	{name: "body", handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }, exchange: sends(post5),
		want: Access{Method: "POST", Status: 200, Received: 5}},
	{name: "flushed", handler: func(w http.ResponseWriter, _ *http.Request) { flushed1(w) }, exchange: sends(getLine),
		want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}},
	{name: "sink", handler: func(w http.ResponseWriter, r *http.Request) { _ = Sink(w, r, nil).Send(r.Context(), []byte("hello")) },
		exchange: asks(getLine), want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}},
	{name: "panic", handler: func(http.ResponseWriter, *http.Request) { panic(errBoom) }, exchange: sends(getLine),
		want: Access{Method: "GET"}, err: isError(errBoom)},
	{name: "panic behind a status", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "hello")
		panic(errBoom)
	}, exchange: sends(getLine), want: Access{Method: "GET"}, err: isError(errBoom)},
	{name: "panic behind the head", handler: func(w http.ResponseWriter, _ *http.Request) {
		flushed1(w)
		panic(errBoom)
	}, exchange: sends(getLine), want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}, err: isError(errBoom)},
	{name: "abort", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exchange: sends(getLine),
		want: Access{Method: "GET"}, err: isError(http.ErrAbortHandler)},
	{name: "goexit", handler: func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, exchange: sends(getLine),
		want: Access{Method: "GET"}, err: func(t *testing.T, err error) {
			var panicked *chanio.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Nil(t, panicked.Value)
		}},
	{name: "reset", handler: func(w http.ResponseWriter, _ *http.Request) { _ = Reset(w, CodeCancel) }, exchange: sends(getLine),
		want: Access{Method: "GET"}, err: isError(errReset)},
	{name: "too short", handler: withHeader("Content-Length", "9"), exchange: sends(getLine),
		want: Access{Method: "GET", Status: 200, Sent: 5}, err: isError(http1.ErrBodyTooShort)},
	{name: "client gone", handler: func(w http.ResponseWriter, r *http.Request) {
		flushed1(w)
		<-r.Context().Done()
	}, exchange: aborts(getLine), want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}, err: isError(ErrClientGone)},
	{name: "client gone, and cut", handler: func(w http.ResponseWriter, r *http.Request) {
		flushed1(w)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}, exchange: aborts(getLine), want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}, err: isError(ErrClientGone)},
	{name: "broken body", handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) },
		exchange: sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
		want:     Access{Method: "POST", Status: 400}, err: func(t *testing.T, err error) {
			var broken *http1.Error
			require.ErrorAs(t, err, &broken)
		}},
	{name: "hijacked", handler: func(w http.ResponseWriter, _ *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.CopyN(io.Discard, rw, 5)
		_, _ = io.WriteString(nc, "four")
		_ = nc.Close()
	}, exchange: sends(getLine + "12345"), want: Access{Kind: Tunneled, Method: "GET", Sent: 4}},
	{name: "panic once hijacked", handler: func(w http.ResponseWriter, _ *http.Request) {
		nc, _, _ := w.(http.Hijacker).Hijack()
		_ = nc.Close()
		panic(errBoom)
	}, exchange: sends(getLine), want: Access{Kind: Tunneled, Method: "GET"}, err: isError(errBoom)},
	{name: "goexit once hijacked", handler: func(w http.ResponseWriter, _ *http.Request) {
		nc, _, _ := w.(http.Hijacker).Hijack()
		_ = nc.Close()
		runtime.Goexit()
	}, exchange: sends(getLine), want: Access{Kind: Tunneled, Method: "GET"}, err: fails},
	{name: "rejected", cfg: Config{Rejected: status(503, "busy")}, handler: say("x"), exchange: sends("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
		want: Access{Method: "OPTIONS", Status: 200}},
	{name: "continue refused", cfg: Config{Continue: func(http.ResponseWriter, *http.Request) bool { return false }}, handler: say("x"),
		exchange: sends("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), want: Access{Method: "POST", Status: 417}},
	{name: "no head", exchange: sends("nonsense\r\n\r\n"), want: Access{Kind: Refused, Status: 400}, err: fails, unbegun: true},
	{name: "half a head", exchange: sends("GET / HTTP/1.1\r\nHo"), want: Access{Kind: Refused}, err: isError(io.ErrUnexpectedEOF), unbegun: true},
	{name: "no HTTP/1", cfg: Config{Protocols: h2c()}, exchange: sends(getLine), unbegun: true, want: Access{Kind: Refused, Status: 505}, err: fails},
	{name: "too large", cfg: Config{MaxBody: 4}, exchange: sends(post5), want: Access{Kind: Refused, Method: "POST", Status: 413}, err: fails, unbegun: true},
	{name: "other host", cfg: Config{AllowedHosts: []string{"b"}}, exchange: sends(getLine), want: Access{Kind: Refused, Method: "GET", Status: 421}, err: fails, unbegun: true},
	{name: "silence", exchange: sends(""), unbegun: true, want: Access{Kind: 99}}, // no exchange
}

func h2c() *http.Protocols {
	var p http.Protocols
	p.SetHTTP2(true)
	return &p
}

func isError(want error) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, want)
	}
}

func fails(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
}

// requireAccess compares the members that are predictable.
func requireAccess(t *testing.T, want, got Access, fail func(*testing.T, error)) {
	t.Helper()
	require.Equal(t, want.Kind, got.Kind, got)
	require.Equal(t, want.Method, got.Method)
	require.Equal(t, want.Status, got.Status)
	require.Equal(t, want.Received, got.Received)
	require.Equal(t, want.Sent, got.Sent)
	require.False(t, got.Arrived.IsZero())
	require.NotEmpty(t, got.Remote)
	require.Equal(t, want.Status != 0, got.Latency > 0)
	require.LessOrEqual(t, got.Latency, got.Duration)
	if fail == nil {
		require.NoError(t, got.Err)
		return
	}
	fail(t, got.Err)
}

func TestHooksAreToldOnceOfEveryExchange(t *testing.T) {
	for _, c := range endings {
		t.Run(c.name, func(t *testing.T) {
			seen := accessOf(t, c.cfg, c.handler, c.exchange)
			if c.want.Kind == 99 {
				require.Empty(t, seen.ended)
				return
			}
			require.Len(t, seen.ended, 1)
			requireAccess(t, c.want, seen.ended[0], c.err)
			if c.unbegun {
				require.Empty(t, seen.began)
				return
			}
			require.Len(t, seen.began, 1)
			began := seen.began[0]
			require.Equal(t, seen.ended[0].Arrived, began.Arrived)
			require.Equal(t, c.want.Method, began.Method)
			require.Zero(t, began.Status)
			require.Zero(t, began.Duration)
		})
	}
}

// TestReplyThatWasOverruledIsNoneOfTheHandlers sends requests with malformed bodies to handlers that answer 200.
func TestReplyThatWasOverruledIsNoneOfTheHandlers(t *testing.T) {
	for name, reply := range map[string]func(w http.ResponseWriter, r *http.Request){
		"short": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			_, _ = io.WriteString(w, "done")
		},
		"long": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			_, _ = w.Write(make([]byte, 10*unflushed))
		},
		"flushed": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			flushed1(w)
		},
		"without reading": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") },
	} {
		seen := accessOf(t, Config{}, http.HandlerFunc(reply), sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n"))
		require.Len(t, seen.ended, 1, name)
		require.Equal(t, 400, seen.ended[0].Status, name)
		require.Zero(t, seen.ended[0].Sent, name)
		require.Error(t, seen.ended[0].Err, name)
	}
}

// over2 uses a stream with an HTTP/2 client.
func over2(head []http2.Field, end bool, act func(t *testing.T, s *http2.Stream)) func(t *testing.T, addr string) {
	return func(t *testing.T, addr string) {
		c := h2conn(t, addr)
		require.NoError(t, c.AwaitSettings(t.Context()))
		s, err := c.Open(t.Context(), head, end)
		require.NoError(t, err)
		act(t, s)
	}
}

// hears reads the reply to its end, with or without an error.
func hears(t *testing.T, s *http2.Stream) {
	for p := make([]byte, 1000); ; {
		if _, err := s.In.Read(t.Context(), p); err != nil {
			return
		}
	}
}

// afterGone replies when the client has gone, which it does after an informational response.
func afterGone(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		<-r.Context().Done()
		_, _ = io.WriteString(w, text)
	}
}

func resets(t *testing.T, s *http2.Stream) {
	_, err := s.Head(t.Context())
	require.NoError(t, err)
	s.Reset(CodeCancel, nil)
}

func TestHooksAreToldOnceOfEveryExchangeOverHTTP2(t *testing.T) {
	get := ask2("GET")
	for _, c := range []struct {
		name     string
		cfg      Config
		handler  http.HandlerFunc
		exchange func(*testing.T, string)
		want     Access
		err      func(*testing.T, error)
		unbegun  bool
	}{
		{name: "reply", handler: say("hello"), exchange: over2(get, true, hears), want: Access{Method: "GET", Status: 200, Sent: 5}},
		{name: "head", handler: say("hello"), exchange: over2(ask2("HEAD"), true, hears), want: Access{Method: "HEAD", Status: 200}},
		{name: "flushed", handler: func(w http.ResponseWriter, _ *http.Request) { flushed1(w) }, exchange: over2(get, true, hears),
			want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}},
		{name: "body", handler: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) },
			exchange: over2(ask2("POST"), false, func(t *testing.T, s *http2.Stream) {
				require.NoError(t, s.Out.Finish(t.Context(), []byte("12345"), nil))
				hears(t, s)
			}), want: Access{Method: "POST", Status: 200, Received: 5}},
		{name: "panic", handler: func(http.ResponseWriter, *http.Request) { panic(errBoom) }, exchange: over2(get, true, hears),
			want: Access{Method: "GET"}, err: isError(errBoom)},
		{name: "goexit", handler: func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, exchange: over2(get, true, hears),
			want: Access{Method: "GET"}, err: fails},
		{name: "reset here", handler: func(w http.ResponseWriter, _ *http.Request) { _ = Reset(w, CodeRefusedStream) },
			exchange: over2(get, true, hears), want: Access{Method: "GET"}, err: func(t *testing.T, err error) {
				var reset *StreamError
				require.ErrorAs(t, err, &reset)
				require.Equal(t, CodeRefusedStream, reset.Code)
				require.False(t, reset.Remote)
			}},
		{name: "reset by the client", handler: func(w http.ResponseWriter, r *http.Request) {
			flushed1(w)
			<-r.Context().Done()
		}, exchange: over2(get, true, func(t *testing.T, s *http2.Stream) {
			_, err := s.Head(t.Context())
			require.NoError(t, err)
			s.Reset(CodeCancel, nil)
		}), want: Access{Kind: Streamed, Method: "GET", Status: 200, Sent: 5}, err: func(t *testing.T, err error) {
			require.ErrorIs(t, err, ErrClientGone)
			var reset *StreamError
			require.ErrorAs(t, err, &reset)
			require.True(t, reset.Remote)
		}},
		{name: "reset before a short reply", handler: afterGone("hello"), exchange: over2(get, true, resets),
			want: Access{Method: "GET"}, err: isError(ErrClientGone)},
		{name: "reset before a long reply", handler: afterGone(strings.Repeat("x", 10000)), exchange: over2(get, true, resets),
			want: Access{Method: "GET"}, err: isError(ErrClientGone)},
		{name: "tunnel", handler: func(w http.ResponseWriter, r *http.Request) {
			tunnel, err := Tunnel(w, r)
			if err != nil {
				panic(err)
			}
			_, _ = chanio.Transfer(r.Context(), tunnel.In, tunnel.Out) // until the client closes its side
			_ = tunnel.Close()
		}, exchange: over2([]http2.Field{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "b:443"}}, false,
			func(t *testing.T, s *http2.Stream) {
				require.NoError(t, s.Out.Send(t.Context(), []byte("ping")))
				require.NoError(t, s.Out.Close())
				hears(t, s)
			}), want: Access{Kind: Tunneled, Method: "CONNECT", Status: 200, Received: 4, Sent: 4}},
		{name: "tunnel that nobody opens", handler: say("hello"), exchange: over2(tunnelHeads["plain"], true, hears),
			want: Access{Kind: Plain, Method: "CONNECT", Status: 501}},
		{name: "too large", cfg: Config{MaxBody: 4}, exchange: over2(ask2("POST", http2.Field{Name: "content-length", Value: "5"}), false, hears),
			want: Access{Kind: Refused, Method: "POST", Status: 413}, err: fails, unbegun: true},
		{name: "other host", cfg: Config{AllowedHosts: []string{"b"}}, exchange: over2(get, true, hears),
			want: Access{Kind: Refused, Method: "GET", Status: 421}, err: fails, unbegun: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := accessOf(t, c.cfg, c.handler, c.exchange)
			require.Len(t, seen.ended, 1)
			requireAccess(t, c.want, seen.ended[0], c.err)
			require.EqualValues(t, 1, seen.ended[0].StreamID)
			require.Equal(t, "HTTP/2.0", seen.ended[0].Protocol)
			require.Equal(t, c.unbegun, len(seen.began) == 0)
		})
	}
}

// nativeAccessOf is accessOf for a native handler.
func nativeAccessOf(t *testing.T, cfg Config, f func(context.Context, Exchange) error, raw string) *accesses {
	seen := &accesses{}
	cfg.Hooks = seen.hooks()
	t.Run("exchange", func(t *testing.T) {
		native, _ := startNative(t, f, &cfg)
		rawReply(t, native, raw)
	})
	return seen
}

func TestHooksAreToldOnceOfEveryExchangeOfANativeHandler(t *testing.T) {
	for _, c := range []struct {
		name    string
		cfg     Config
		f       func(context.Context, Exchange) error
		raw     string
		want    Access
		err     func(*testing.T, error)
		unbegun bool
	}{
		{name: "reply", f: func(_ context.Context, x Exchange) error { return x.Reply(201, "a/b", []byte("hello")) }, raw: getLine,
			want: Access{Method: "GET", Status: 201, Sent: 5}},
		{name: "body", f: func(ctx context.Context, x Exchange) error {
			_, err := x.ReadBody(ctx, 100)
			return err
		}, raw: post5, want: Access{Method: "POST", Status: 200, Received: 5}},
		{name: "flushed", f: func(ctx context.Context, x Exchange) error { return x.Flush(ctx) }, raw: getLine,
			want: Access{Kind: Streamed, Method: "GET", Status: 200}},
		{name: "http", f: func(_ context.Context, x Exchange) error {
			say("hello")(x.HTTP())
			return nil
		}, raw: getLine, want: Access{Method: "GET", Status: 200, Sent: 5}},
		{name: "error", f: func(context.Context, Exchange) error { return errBoom }, raw: getLine,
			want: Access{Method: "GET", Status: 500, Sent: 22}},
		{name: "error behind the head", f: func(ctx context.Context, x Exchange) error { return errors.Join(x.Flush(ctx), errBoom) },
			raw: getLine, want: Access{Kind: Streamed, Method: "GET", Status: 200}, err: isError(http.ErrAbortHandler)},
		{name: "panic", f: func(context.Context, Exchange) error { panic(errBoom) }, raw: getLine, want: Access{Method: "GET"}, err: isError(errBoom)},
		{name: "goexit", f: func(context.Context, Exchange) error {
			runtime.Goexit()
			return nil
		}, raw: getLine, want: Access{Method: "GET"}, err: fails},
		{name: "hijacked", f: func(_ context.Context, x Exchange) error {
			w, _ := x.HTTP()
			nc, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return err
			}
			_, _ = io.WriteString(nc, "four")
			return nc.Close()
		}, raw: getLine, want: Access{Kind: Tunneled, Method: "GET", Sent: 4}},
		{name: "reset", f: func(_ context.Context, x Exchange) error { return x.Reset(CodeCancel) }, raw: getLine,
			want: Access{Method: "GET"}, err: isError(errReset)},
		{name: "other host", cfg: Config{AllowedHosts: []string{"b"}}, raw: getLine, unbegun: true,
			f:    func(context.Context, Exchange) error { return errBoom },
			want: Access{Kind: Refused, Method: "GET", Status: 421}, err: fails},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := nativeAccessOf(t, c.cfg, c.f, c.raw)
			require.Len(t, seen.ended, 1)
			requireAccess(t, c.want, seen.ended[0], c.err)
			require.Equal(t, c.unbegun, len(seen.began) == 0)
			require.Equal(t, "HTTP/1.1", seen.ended[0].Protocol)
		})
	}
}

func TestRejectedRequestsAreToldToTheHooks(t *testing.T) {
	seen := &accesses{}
	entered, leave := make(chan struct{}), make(chan struct{})
	t.Run("exchange", func(t *testing.T) {
		addr := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-leave
		}), &Config{MaxConcurrent: 1, Hooks: seen.hooks()})
		nc, _ := dial(t, addr)
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		<-entered
		require.Contains(t, rawReply(t, addr, getLine), "503")
		close(leave)
	})
	require.Len(t, seen.ended, 2)
	require.Len(t, seen.began, 2)
	requireAccess(t, Access{Method: "GET", Status: 503, Sent: 20}, seen.ended[0], nil)
}

func TestHeadThatIsTooSlowIsToldToTheHooks(t *testing.T) {
	seen := &accesses{}
	inBubble(t, say("x"), &Config{Hooks: seen.hooks()}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := io.WriteString(nc, "GET / HT")
		require.NoError(t, err)
		_, _ = io.ReadAll(in)
		require.NoError(t, nc.Close())
	})
	require.Len(t, seen.ended, 1)
	require.Equal(t, 408, seen.ended[0].Status)
	require.Equal(t, Refused, seen.ended[0].Kind)
}

// TestAccessHasTheTimesOfTheExchange has a handler that waits twice in a synctest bubble, where time is exact.
func TestAccessHasTheTimesOfTheExchange(t *testing.T) {
	seen := &accesses{}
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		flushed1(w)
		time.Sleep(time.Second)
	}, &Config{Hooks: seen.hooks()}, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		_, _ = io.ReadAll(in)
		require.NoError(t, nc.Close())
	})
	require.Len(t, seen.ended, 1)
	require.Equal(t, time.Second, seen.ended[0].Latency)
	require.Equal(t, 2*time.Second, seen.ended[0].Duration)
}

func TestAccessSaysWhatWasAskedFor(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /item/{id}", say("x"))
	raw := "GET /item/1?q HTTP/1.1\r\nHost: a:80\r\nUser-Agent: test/1\r\nReferer: http://me:secret@b/p@q\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
	for _, secrets := range []bool{false, true} {
		cfg := Config{ShowSecrets: secrets, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		got := accessOf(t, cfg, mux, sends(raw)).ended[0]
		require.Equal(t, "/item/1?q", got.Target)
		require.Equal(t, "a:80", got.Host)
		require.Equal(t, "GET /item/{id}", got.Pattern)
		require.Equal(t, "test/1", got.UserAgent)
		require.Equal(t, map[bool]string{false: "http://b/p@q", true: "http://me:secret@b/p@q"}[secrets], got.Referer)
		require.Equal(t, netip.MustParseAddr("192.0.2.7"), got.Client)
	}
}

func TestWebSocketIsATunnelOf101(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Upgrade(w, r, nil)
		if err == nil {
			_ = conn.Close()
		}
	})
	seen := accessOf(t, Config{}, handler, sends("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	require.Len(t, seen.ended, 1)
	require.Equal(t, Tunneled, seen.ended[0].Kind)
	require.Equal(t, 101, seen.ended[0].Status)
	require.Positive(t, seen.ended[0].Sent)
}

// TestWebSocketHandlersAreToldOnceToTheHooks has a handler that continues in another goroutine.
func TestWebSocketHandlersAreToldOnceToTheHooks(t *testing.T) {
	const ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	for name, f := range map[string]func(context.Context, *websocket.Conn) error{
		"return": func(context.Context, *websocket.Conn) error { return nil },
		"panic":  func(context.Context, *websocket.Conn) error { panic(errBoom) },
		"goexit": func(context.Context, *websocket.Conn) error {
			runtime.Goexit()
			return nil
		},
	} {
		seen := accessOf(t, Config{}, WebSocket(f, nil), sends(ask))
		require.Len(t, seen.ended, 1, name)
		require.Len(t, seen.began, 1, name)
		require.Equal(t, Tunneled, seen.ended[0].Kind)
		require.Equal(t, 101, seen.ended[0].Status)
		if name != "return" { // otherwise Err reports how the client left
			var panicked *chanio.PanicError
			require.ErrorAs(t, seen.ended[0].Err, &panicked, name)
		}
	}
}

func TestPanicsOfHooksChangeNothing(t *testing.T) {
	log := newLockedBuffer()
	cfg := &Config{Logger: slog.New(slog.NewTextHandler(log, nil)), Hooks: &Hooks{
		Began: func(Access) { panic("in began") }, Ended: func(Access) { panic("in ended") },
	}}
	addr := start(t, say("hello"), cfg)
	replies, ended := talk(t, addr, getLine+getLine, "GET", "GET")
	require.Len(t, replies, 2)
	require.False(t, ended)
	require.Equal(t, "hello", replies[1].body)
	require.Contains(t, log.String(), "in began")
	require.Contains(t, log.String(), "in ended")
}

func TestHooksThatAreNilAreNotCalled(t *testing.T) {
	require.Contains(t, rawReply(t, start(t, say("hello"), &Config{Hooks: &Hooks{}}), getLine), "hello")
}

func TestAccessLogIsALineForEachExchange(t *testing.T) {
	var buf bytes.Buffer
	write := AccessLog(slog.New(slog.NewTextHandler(&buf, nil)))
	write(Access{Method: "GET", Target: "/a b\n\"", Status: 200, Client: netip.MustParseAddr("192.0.2.1"), Pattern: "/"})
	write(Access{Method: "GET", Target: "/", Status: 500, Err: errBoom, Kind: Streamed})
	lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `level=INFO msg=request`)
	require.Contains(t, lines[0], `target="/a b\n\""`)
	require.Contains(t, lines[0], `client=192.0.2.1 pattern=/`)
	require.Contains(t, lines[1], `level=WARN`)
	require.Contains(t, lines[1], `kind=streamed`)
	require.Contains(t, lines[1], `err=boom`)
	require.NotPanics(t, func() { AccessLog(nil)(Access{}) })
}

func TestKindsOfAccessHaveNames(t *testing.T) {
	for kind, name := range map[AccessKind]string{Plain: "plain", Streamed: "streamed", Tunneled: "tunneled", Refused: "refused", 9: "unknown"} {
		require.Equal(t, name, kind.String())
	}
}

func TestUserInfoOfURLsIsNotShown(t *testing.T) {
	s := New(say("x"), nil)
	for url, want := range map[string]string{
		"": "", "http://a/": "http://a/", "http://u:p@a/": "http://a/", "//u@a": "//a", "http://a/u@b": "http://a/u@b",
		"http://a?u@b": "http://a?u@b", "u:p@a": "a", "http://u@v@a/b": "http://a/b",
	} {
		require.Equal(t, want, s.shownURL(url), url)
	}
}

func TestHooksCostNothingWhenThereAreNone(t *testing.T) {
	c := &conn{serving: &serving{srv: New(say("x"), nil)}}
	from := origin{}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		rec := c.newRecord(&from)
		rec.about(nil)
		rec.began()
		rec.headSent()
		rec.streams()
		rec.note(nil)
		rec.refused(400, nil)
	}))
}
