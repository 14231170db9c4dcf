package httpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestClientOfNetHTTPIsServed(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/{name}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %d %v", r.PathValue("name"), len(body), err)
	})
	addr := start(t, mux, nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				size := 10_000*i + j
				r, err := client.Post(fmt.Sprintf("http://%s/echo/n%d", addr, i), "a/b", strings.NewReader(strings.Repeat("x", size)))
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if want := fmt.Sprintf("n%d %d <nil>", i, size); string(got) != want {
					t.Errorf("%q is not %q", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestUnixSocketIsServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ListenAndServe(ctx, "unix:"+path, say("hello"), nil) }()
	var nc net.Conn
	require.Eventually(t, func() (ok bool) {
		var err error
		nc, err = net.Dial("unix", path)
		return err == nil
	}, patience, time.Millisecond)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	require.NoError(t, err)
	require.Equal(t, 200, r.StatusCode)
	cancel()
	require.NoError(t, <-served, "the end of ctx is a shutdown, which idle connections do not hold up")
	_ = nc.Close()
}

func TestTLSIsServed(t *testing.T) {
	cert, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	cfg := &Config{Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}}}
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, r.TLS.HandshakeComplete, len(body), err, ctx.Err())
	}), cfg)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for range 3 {
		r, err := client.Post("https://"+addr+"/", "a/b", strings.NewReader(strings.Repeat("x", 100_000)))
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.NoError(t, r.Body.Close())
		require.Equal(t, "true 100000 <nil> <nil>", string(body))
	}
}

func TestListenerOfServersIsServed(t *testing.T) {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	require.NoError(t, err)
	srv := New(say("x"), nil)
	served := make(chan error, 1)
	go func() { served <- srv.ServeListener(t.Context(), ln) }()
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, ln.Addr().String(), getLine)))
	require.NoError(t, srv.Shutdown(t.Context()))
	require.NoError(t, <-served)
	late, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, srv.Serve(t.Context(), late), "which closes it")
	_, err = late.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestHijackHandsOverWhatHasArrived(t *testing.T) {
	failed := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			failed <- err
			return
		}
		_, err = w.Write([]byte("x"))
		_, _, again := w.(http.Hijacker).Hijack()
		failed <- errors.Join(err, again)
		go func() { // continues after the handler has returned
			defer func() { _ = nc.Close() }()
			_, _ = rw.WriteString("raw\n")
			_ = rw.Flush()
			line, _ := rw.ReadString('\n')
			_, _ = io.WriteString(nc, line)
			_, _ = io.Copy(nc, rw)
		}()
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine+"first\nsec")
	require.NoError(t, err)
	failure := <-failed
	require.ErrorIs(t, failure, http.ErrHijacked)
	require.Equal(t, "http: connection has been hijacked\nhttp: connection has been hijacked", failure.Error())
	_, err = io.WriteString(nc, "ond\n")
	require.NoError(t, err)
	for _, want := range []string{"raw\n", "first\n", "second\n"} {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
	}
	require.NoError(t, nc.(*net.TCPConn).CloseWrite())
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestShutdownEndsTheInputOfAHijackedConnection(t *testing.T) {
	hijacked := make(chan struct{})
	ended := make(chan error, 1)
	addr, srv := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := w.(http.Hijacker).Hijack()
		close(hijacked)
		if err == nil {
			_, err = nc.Read(make([]byte, 1)) // in the handler
			_ = nc.Close()
		}
		ended <- err
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	<-hijacked
	require.NoError(t, srv.Shutdown(t.Context()))
	require.ErrorContains(t, <-ended, "shut")
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	addr, srv := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		for c := w.(*response).conn; !c.draining.Load(); {
			runtime.Gosched()
		}
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v %v", body, err, r.Context().Err())
	}), nil)
	idle, idleIn := dial(t, addr)
	_, err := io.WriteString(idle, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	_, err = http.ReadResponse(idleIn, nil)
	require.NoError(t, err)
	nc, in := dial(t, addr)
	_, err = io.WriteString(nc, strings.TrimSuffix(post5, "lo"))
	require.NoError(t, err)
	<-begun
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(context.Background()) }()
	_, err = idleIn.ReadByte()
	require.Equal(t, io.EOF, err, "an idle connection ends at once")
	_, err = io.WriteString(nc, "lo"+evil)
	require.NoError(t, err)
	close(finish)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "hello <nil> <nil>", string(body))
	require.True(t, r.Close)
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
	require.NoError(t, <-done)
}

func TestShutdownAbortsAtItsDeadline(t *testing.T) {
	begun := make(chan struct{})
	addr, srv := startServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	<-begun
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	require.ErrorIs(t, srv.Shutdown(ctx), cause)
	_, err = io.ReadAll(in) // ends with a reset, or after what the handler wrote when its context ended
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// contextOf runs a handler that waits for the end of its context, and returns the cause.
func contextOf(t *testing.T, cfg *Config, raw string, leave func(net.Conn)) error {
	t.Helper()
	begun, ended, finish := make(chan struct{}), make(chan error, 1), make(chan struct{})
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		child, cancel := context.WithCancel(r.Context())
		defer cancel()
		close(begun)
		select {
		case <-child.Done():
			ended <- errors.Join(child.Err(), r.Context().Err())
		case <-finish:
			ended <- nil
		}
	}), cfg)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, raw)
	require.NoError(t, err)
	<-begun
	leave(nc)
	if cfg != nil && cfg.HalfClose {
		close(finish)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 200, r.StatusCode)
	}
	return <-ended
}

func TestContextEndsWhenTheClientHasGone(t *testing.T) {
	leaving := map[string]func(net.Conn){
		"end":   func(nc net.Conn) { _ = nc.(*net.TCPConn).CloseWrite() },
		"close": func(nc net.Conn) { _ = nc.Close() },
		"reset": func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0); _ = nc.Close() },
	}
	for name, leave := range leaving {
		for _, raw := range []string{getLine, post5, chunked5} {
			err := contextOf(t, nil, raw, leave)
			require.Equal(t, errors.Join(context.Canceled, context.Canceled), err, name)
		}
	}
	require.NoError(t, contextOf(t, &Config{HalfClose: true}, getLine, leaving["end"]))
}

func TestContextEndsWhenTheHandlerReturns(t *testing.T) {
	contexts := make(chan context.Context, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/path" {
			contexts <- r.Context()
		}
	}), nil)
	nc, in := dial(t, addr)
	for range 2 { // the connection continues
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		_, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		ctx := <-contexts
		<-ctx.Done()
		require.Equal(t, context.Canceled, ctx.Err())
	}
}

// TestWatchLeavesWhatItReads has a handler call Done while further requests arrive.
func TestWatchLeavesWhatItReads(t *testing.T) {
	var n atomic.Int64
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		done := r.Context().Done()
		runtime.Gosched()
		select {
		case <-done:
			t.Error("the client is there")
		default:
		}
		_, _ = fmt.Fprint(w, n.Add(1))
	}), nil)
	nc, in := dial(t, addr)
	go func() {
		for range 200 {
			_, _ = io.WriteString(nc, getLine)
			_, _ = io.WriteString(nc, post5+chunked5)
		}
	}()
	for i := range 600 {
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i+1), string(body))
	}
}

func TestPipelinedRequestsAreServedOneAtATimeInOrder(t *testing.T) {
	var running, served atomic.Int64
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if running.Add(1) != 1 {
			t.Error("two at once")
		}
		runtime.Gosched()
		running.Add(-1)
		_, _ = fmt.Fprint(w, served.Add(1))
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, strings.Repeat(getLine, 100))
	require.NoError(t, err)
	for i := range 100 {
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, _ := io.ReadAll(r.Body)
		require.Equal(t, fmt.Sprint(i+1), string(body))
	}
}

func TestKeepAlivePolicy(t *testing.T) {
	got := rawReply(t, start(t, say("x"), &Config{MaxRequests: 3}), strings.Repeat(getLine, 5))
	require.Equal(t, 3, strings.Count(got, "HTTP/1.1 200 OK"))
	require.Equal(t, 1, strings.Count(got, "Connection: close"))
	got = rawReply(t, start(t, say("x"), &Config{CloseEach: true}), strings.Repeat(getLine, 5))
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 200 OK"))
}

func TestTooManyAtOnceAreRejected(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/path" {
			begun <- struct{}{}
			<-finish
		}
	})
	addr := start(t, handler, &Config{MaxConcurrent: 1})
	first, in := dial(t, addr)
	_, err := io.WriteString(first, getLine)
	require.NoError(t, err)
	<-begun
	got := rawReply(t, addr, evil)
	require.Equal(t, "HTTP/1.1 503 Service Unavailable", statusLine(got))
	require.Contains(t, got, "\r\nRetry-After: 1\r\n")
	finish <- struct{}{}
	_, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, addr, evil)))

	teapot := &Config{MaxConcurrent: -1, Rejected: status(418, "")}
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, start(t, say(""), teapot), evil)))
}

func TestContinueHandlerDecides(t *testing.T) {
	const ask = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	refusing := &Config{Continue: func(http.ResponseWriter, *http.Request) bool { return false }}
	got := rawReply(t, start(t, say("x"), refusing), ask+evil)
	require.Equal(t, "HTTP/1.1 417 Expectation Failed", statusLine(got))
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "what was announced is never parsed as a request")

	answering := &Config{Continue: func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
		return false
	}}
	got = rawReply(t, start(t, say("x"), answering), ask+evil)
	require.Equal(t, "HTTP/1.1 413 Request Entity Too Large", statusLine(got))
	require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "))

	accepting := &Config{Continue: func(http.ResponseWriter, *http.Request) bool { return true }}
	nc, in := dial(t, start(t, http.HandlerFunc(show), accepting))
	_, err := io.WriteString(nc, ask)
	require.NoError(t, err)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = in.Discard(2)
	require.NoError(t, err)
	_, err = io.WriteString(nc, "hello")
	require.NoError(t, err)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	body, _ := io.ReadAll(r.Body)
	require.Contains(t, string(body), `"hello"`)
	require.Contains(t, string(body), "Expect:[100-continue]")
}

func TestDateAndServerPolicy(t *testing.T) {
	got := rawReply(t, start(t, say("x"), &Config{NoDate: true, ServerName: "weir"}), getLine)
	require.NotContains(t, got, "Date:")
	require.Contains(t, got, "\r\nServer: weir\r\n")
	got = rawReply(t, start(t, withHeader("Server", "own", "Date", "then"), &Config{ServerName: "weir"}), getLine)
	require.Contains(t, got, "\r\nServer: own\r\n")
	require.Contains(t, got, "\r\nDate: then\r\n")
	require.NotContains(t, got, "weir")
}

func TestContextsOfListenerAndConnection(t *testing.T) {
	type key string
	cfg := &Config{
		BaseContext: func(ln net.Listener) context.Context {
			require.IsType(t, &net.TCPListener{}, ln) // the one that was passed to Serve
			return context.WithValue(context.Background(), key("addr"), ln.Addr().String())
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, key("peer"), c.RemoteAddr().String())
		},
	}
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Context().Value(key("addr")), r.Context().Value(key("peer")) == r.RemoteAddr)
	}), cfg)
	require.True(t, strings.HasSuffix(rawReply(t, addr, getLine), "\r\n\r\n"+addr+"true"))
}

func TestBaseContextIsToldTheAddressOfAListenerOfPackageServers(t *testing.T) {
	addr := make(chan net.Addr, 1)
	srv := New(say("x"), &Config{BaseContext: func(ln net.Listener) context.Context {
		addr <- ln.Addr()
		return context.Background()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.ListenAndServe(ctx, "127.0.0.1:0") }()
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, (<-addr).String(), getLine)))
	cancel()
	require.NoError(t, <-served)
}

func TestSuperfluousWriteHeaderIsLogged(t *testing.T) {
	logged := newLockedBuffer()
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(202)
	}), &Config{Logger: logTo(logged)})
	require.Equal(t, "HTTP/1.1 201 Created", statusLine(rawReply(t, addr, getLine)))
	require.Contains(t, logged.String(), "superfluous")
}

func TestWhatIsFlushedArrivesAtOnce(t *testing.T) {
	next := make(chan struct{})
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "%d\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-next
		}
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	body := bufio.NewReader(r.Body)
	for i := range 3 {
		line, err := body.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d\n", i), line)
		next <- struct{}{}
	}
	_, err = body.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestHandlersReadDeadlineEndsOneRead(t *testing.T) {
	timedOut := make(chan bool, 1)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(-time.Second))
		_, err := r.Body.Read(make([]byte, 8))
		timedOut <- errors.Is(err, os.ErrDeadlineExceeded)
		_ = control.SetReadDeadline(time.Time{})
		body, again := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, string(body), again)
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, strings.TrimSuffix(post5, "hello"))
	require.NoError(t, err)
	require.True(t, <-timedOut)
	_, err = io.WriteString(nc, "hello")
	require.NoError(t, err)
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	body, _ := io.ReadAll(r.Body)
	require.Equal(t, "hello<nil>", string(body))
}

func TestGoexitInAHandlerEndsItsConnectionAlone(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/path" {
			runtime.Goexit()
		}
	}), nil)
	require.Empty(t, rawReply(t, addr, getLine))
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, addr, evil)))
}
