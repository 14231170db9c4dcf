package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http2"
	"github.com/weir-go/weir/servers"
)

func TestALPNChoosesTheVersion(t *testing.T) {
	cert, pool, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	cfg := &Config{Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}}}
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, r.TLS.NegotiatedProtocol)
	}), cfg)
	for _, both := range []bool{true, false} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: both}
		r, err := (&http.Client{Transport: tr}).Get("https://" + addr)
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		_ = r.Body.Close()
		tr.CloseIdleConnections()
		require.Equal(t, map[bool]string{true: "HTTP/2.0h2", false: "HTTP/1.1"}[both], string(body))
	}
}

func TestALPNThatContradictsTheProtocolsIsRefused(t *testing.T) {
	cert, _, err := servers.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	var old http.Protocols
	old.SetHTTP1(true)
	cfg := &Config{Protocols: &old, Listen: servers.Config{TLS: &servers.TLSConfig{
		Certificates: []tls.Certificate{cert}, ALPN: []string{"h2", "http/1.1"},
	}}}
	require.ErrorContains(t, ListenAndServe(t.Context(), "127.0.0.1:0", say("x"), cfg), `"h2"`)
}

func TestProtocolsThatAreOff(t *testing.T) {
	var old http.Protocols
	old.SetHTTP1(true)
	got := rawReply(t, start(t, say("x"), &Config{Protocols: &old}), preface)
	require.Equal(t, "HTTP/1.1 505 HTTP Version Not Supported", statusLine(got))
	got = rawReply(t, start(t, say("x"), &Config{Protocols: h2only()}), getLine)
	require.NotContains(t, got, "HTTP/1.1")
}

// TestWhatIsNeitherVersionIsAnswered400 sends bytes that start neither version to a port for both.
func TestWhatIsNeitherVersionIsAnswered400(t *testing.T) {
	replies, ended := talk(t, start(t, say("x"), nil), "INVALID CONNECTION PREFACE\r\n\r\n", "GET")
	require.Len(t, replies, 1)
	require.Equal(t, http.StatusBadRequest, replies[0].status)
	require.True(t, ended)
}

// TestBothVersionsOnOnePort sends requests alternately with and without prior knowledge.
func TestBothVersionsOnOnePort(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }), nil)
	r, err := h2client(t).Get("http://" + addr)
	require.NoError(t, err)
	body, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	require.Equal(t, "HTTP/2.0", string(body))
	require.True(t, strings.HasSuffix(rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), "HTTP/1.1"))
}

func TestLargeBodiesBothWaysOverHTTP2(t *testing.T) {
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), nil)
	client := h2client(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			r, err := client.Post("http://"+addr, "a/b", bytes.NewReader(sent))
			if err != nil {
				t.Error(err)
				return
			}
			got, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if err != nil || !bytes.Equal(got, sent) {
				t.Error(len(got), err)
			}
		})
	}
	all.Wait()
}

func TestResetEndsTheContextWithItsCode(t *testing.T) {
	why := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		why <- context.Cause(r.Context())
	}), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	s.Reset(http2.Cancel, nil)
	var reset *StreamError
	require.ErrorAs(t, <-why, &reset)
	require.Equal(t, http2.Cancel, reset.Code)
	require.True(t, reset.Remote)
}

// ask2 returns the head of a request.
func ask2(method string, more ...http2.Field) []http2.Field {
	return append([]http2.Field{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}, {Name: ":path", Value: "/"},
	}, more...)
}

// TestPanicEndsItsStreamAlone has two requests on one connection, one of which panics or is reset.
func TestPanicEndsItsStreamAlone(t *testing.T) {
	logged := newLockedBuffer()
	goOn := make(chan struct{})
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case "PANIC":
			w.(http.Flusher).Flush()
			panic("boom")
		case "ABORT":
			panic(http.ErrAbortHandler)
		case "EXIT":
			runtime.Goexit()
		}
		<-goOn
		_, _ = io.WriteString(w, "well")
	}), &Config{Logger: logTo(logged)})
	c := h2conn(t, addr)
	good, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	for _, method := range []string{"PANIC", "ABORT", "EXIT"} {
		s, err := c.Open(t.Context(), ask2(method), true)
		require.NoError(t, err)
		<-s.Done()
		var reset *StreamError
		require.ErrorAs(t, s.Err(), &reset)
		require.Equal(t, http2.InternalError, reset.Code)
	}
	close(goOn)
	h, err := good.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 200, h.Status)
	require.Equal(t, 1, strings.Count(logged.String(), "panic in a handler"))
}

func TestReplyShorterThanItsLengthIsReset(t *testing.T) {
	for name, rest := range map[string]func(w http.ResponseWriter){
		"nothing more":                func(http.ResponseWriter) {},
		"flushed":                     func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"more than fits":              func(w http.ResponseWriter) { _, _ = io.WriteString(w, "too long") },
		"flushed and more than fits":  func(w http.ResponseWriter) { w.(http.Flusher).Flush(); _, _ = io.WriteString(w, "too long") },
		"more than fits, then enough": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "too long"); _, _ = io.WriteString(w, "12345") },
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(w, "short")
				rest(w)
			}), nil)
			s, err := h2conn(t, addr).Open(t.Context(), ask2("GET"), true)
			require.NoError(t, err)
			hears(t, s)
			var reset *StreamError
			require.ErrorAs(t, s.Err(), &reset)
			require.True(t, reset.Remote)
			require.Equal(t, http2.InternalError, reset.Code)
		})
	}
}

func TestContinueOverHTTP2(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  *Config
		want []int
	}{
		"read":     {nil, []int{100, 200}},
		"accepted": {&Config{Continue: func(http.ResponseWriter, *http.Request) bool { return true }}, []int{100, 200}},
		"refused":  {&Config{Continue: func(http.ResponseWriter, *http.Request) bool { return false }}, []int{417}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				_, _ = fmt.Fprint(w, string(body), err, r.Header["Expect"])
			}), c.cfg)
			cl := h2conn(t, addr)
			s, err := cl.Open(t.Context(), ask2("POST", http2.Field{Name: "expect", Value: "100-continue"}), false)
			require.NoError(t, err)
			for _, want := range c.want {
				h, err := s.Head(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, h.Status)
				if want == 100 {
					require.NoError(t, s.Out.Finish(t.Context(), []byte("hello"), nil))
				}
			}
		})
	}
}

// TestHandlerOfHTTP2ThatSays100IsBelieved requires that no second 100 is sent when the body is read.
func TestHandlerOfHTTP2ThatSays100IsBelieved(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusContinue)
		_, _ = io.Copy(w, r.Body)
	}), nil)
	s, err := h2conn(t, addr).Open(t.Context(), ask2("POST", http2.Field{Name: "expect", Value: "100-continue"}), false)
	require.NoError(t, err)
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 100, h.Status)
	require.NoError(t, s.Out.Finish(t.Context(), []byte("hello"), nil))
	h, err = s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 200, h.Status)
}

func TestLimitsHoldOverHTTP2(t *testing.T) {
	tooLong := make(chan bool, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		tooLong <- errors.Is(err, chanio.ErrTooLarge)
	}), &Config{MaxBody: 4})
	client := h2client(t)
	r, err := client.Post("http://"+addr, "a/b", strings.NewReader("hello"))
	require.NoError(t, err)
	_ = r.Body.Close()
	require.Equal(t, 413, r.StatusCode)
	r, err = client.Post("http://"+addr, "a/b", io.MultiReader(strings.NewReader("hello")))
	require.NoError(t, err)
	_ = r.Body.Close()
	require.Equal(t, 413, r.StatusCode)
	require.True(t, <-tooLong)
}

func TestConcurrentRequestsOfOneConnectionAreCounted(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	addr := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-goOn
	}), &Config{MaxConcurrent: 1})
	c := h2conn(t, addr)
	_, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	<-entered
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 503, h.Status)
	close(goOn)
}

func TestDeadlinesOfAHandlerOverHTTP2(t *testing.T) {
	failed := make(chan error, 2)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(-time.Second))
		_, err := r.Body.Read(make([]byte, 8))
		failed <- err
		_ = control.SetReadDeadline(time.Time{})
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		_ = control.SetWriteDeadline(time.Now().Add(-time.Second))
		for err == nil && len(body) > 0 { // the client opens no window
			_, err = w.Write(make([]byte, 64<<10))
		}
		failed <- err
	}), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), ask2("POST"), false)
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
	require.NoError(t, s.Out.Finish(t.Context(), []byte("hello"), nil))
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
}

// TestShutdownLetsRequestsOfHTTP2Finish starts a request, shuts down, and lets the request continue.
func TestShutdownLetsRequestsOfHTTP2Finish(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	addr, srv := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-goOn
		_, _ = io.WriteString(w, "late")
	}), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	<-entered
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(context.Background()) }()
	<-c.Done() // GOAWAY
	close(goOn)
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4, h.Length)
	require.NoError(t, <-down)
}

func TestPushIsNotSupported(t *testing.T) {
	answer := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer <- w.(http.Pusher).Push("/x", nil)
	}), nil)
	r, err := h2client(t).Get("http://" + addr)
	require.NoError(t, err)
	_ = r.Body.Close()
	require.ErrorIs(t, <-answer, http.ErrNotSupported)
}
