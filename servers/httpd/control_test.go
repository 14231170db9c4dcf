package httpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/internal/http2"
)

// hidden is a ResponseWriter wrapped by middleware.
type hidden struct{ http.ResponseWriter }

func (h hidden) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func countReplies(raw string) int { return strings.Count(raw, "HTTP/1.1 ") }

func TestResetCutsTheReply(t *testing.T) {
	type outcome struct {
		reset, write, ctx error
	}
	outcomes := make(chan outcome, 1)
	handler := func(begin bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if begin {
				flushed1(w)
			}
			var o outcome
			o.reset = Reset(hidden{w}, CodeEnhanceYourCalm)
			_, o.write = io.WriteString(w, "more")
			<-r.Context().Done()
			o.ctx = context.Cause(r.Context())
			outcomes <- o
		})
	}
	for _, begin := range []bool{false, true} {
		addr := start(t, handler(begin), nil)
		got := rawReply(t, addr, getLine+getLine)
		require.Equal(t, begin, strings.HasPrefix(got, "HTTP/1.1 200 OK"))
		require.False(t, strings.HasSuffix(got, "0\r\n\r\n"), "it does not look complete")
		require.LessOrEqual(t, countReplies(got), 1)
		o := <-outcomes
		require.NoError(t, o.reset)
		require.ErrorIs(t, o.write, errReset)
		require.Error(t, o.ctx)

		c := h2conn(t, addr)
		s, err := c.Open(t.Context(), ask2("GET"), true)
		require.NoError(t, err)
		hears(t, s)
		var reset *StreamError
		require.ErrorAs(t, s.Err(), &reset)
		require.Equal(t, CodeEnhanceYourCalm, reset.Code)
		require.True(t, reset.Remote)
		o = <-outcomes
		require.NoError(t, o.reset)
		require.Error(t, o.write)
		require.ErrorAs(t, o.ctx, &reset)
		require.False(t, reset.Remote)
	}
}

func TestResetOfOneStreamLeavesTheOthers(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_ = Reset(w, CodeCancel)
		}
	}), nil)
	c := h2conn(t, addr)
	for method, failing := range map[string]bool{"GET": false, "PUT": true} {
		s, err := c.Open(t.Context(), ask2(method), true)
		require.NoError(t, err)
		hears(t, s)
		require.Equal(t, failing, s.Err() != nil)
	}
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	_, err = s.Head(t.Context())
	require.NoError(t, err)
}

// TestResetReachesTheClientBeforeTheHandlerReturns has a handler of HTTP/1 wait until its client has noticed.
func TestResetReachesTheClientBeforeTheHandlerReturns(t *testing.T) {
	noticed := make(chan struct{})
	defer close(noticed)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = Reset(w, CodeCancel)
		<-noticed
	}), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	_, err = in.ReadByte()
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Error(t, err)
}

func TestResetOfWhatIsOverIsAnError(t *testing.T) {
	require.ErrorIs(t, Reset(httptest.NewRecorder(), CodeCancel), errors.ErrUnsupported)
	errs := make(chan error, 2)
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, _ := w.(http.Hijacker).Hijack()
		errs <- Reset(w, CodeCancel)
		_ = nc.Close()
	}), nil)
	rawReply(t, addr, getLine)
	require.ErrorIs(t, <-errs, http.ErrHijacked)
	kept := make(chan http.ResponseWriter, 2)
	addr = start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { kept <- w }), nil)
	nc, in := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	_, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	_, _ = io.WriteString(nc, getLine) // the first handler has returned and its reply has ended when the next one is called
	w := <-kept
	<-kept
	require.ErrorIs(t, Reset(w, CodeCancel), errFinished)
}

func TestCloseAfterEndsTheConnectionBehindTheReply(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		CloseAfter(hidden{w})
		_, _ = io.WriteString(w, "hello")
	}), nil)
	got := rawReply(t, addr, getLine+getLine)
	require.Equal(t, 1, countReplies(got))
	require.Contains(t, got, "Connection: close\r\n")
	require.True(t, strings.HasSuffix(got, "hello"))

	addr = start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		flushed1(w)
		CloseAfter(w)
	}), nil)
	got = rawReply(t, addr, getLine+getLine)
	require.Equal(t, 1, countReplies(got))
	require.True(t, strings.HasSuffix(got, "0\r\n\r\n"), "the reply is complete")

	recorder := httptest.NewRecorder()
	CloseAfter(recorder)
	require.Equal(t, "close", recorder.Header().Get("Connection"))
}

// TestCloseAfterLetsRequestsOfHTTP2Finish closes the connection with one request while another is in progress.
func TestCloseAfterLetsRequestsOfHTTP2Finish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			close(entered)
			<-leave
		} else {
			CloseAfter(w)
		}
		_, _ = io.WriteString(w, "hello")
	}), nil)
	c := h2conn(t, addr)
	slow, err := c.Open(t.Context(), ask2("PUT"), true)
	require.NoError(t, err)
	<-entered
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	hears(t, s)
	require.NoError(t, s.Err())
	close(leave)
	h, err := slow.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 200, h.Status)
	hears(t, slow)
	require.NoError(t, slow.Err())
	<-c.Done()
}

func TestNativeHandlersResetAndCloseAfter(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		switch x.Target() {
		case "/reset":
			return x.Reset(CodeCancel)
		case "/http":
			w, _ := x.HTTP()
			if err := x.Reset(CodeCancel); err == nil {
				return errors.New("reset beside HTTP")
			}
			x.CloseAfter()
			_, err := io.WriteString(w, "hello")
			return err
		}
		x.CloseAfter()
		return x.Reply(200, "", []byte("hello"))
	}, nil)
	for _, addr := range []string{native, over} {
		require.Empty(t, rawReply(t, addr, "GET /reset HTTP/1.1\r\nHost: a\r\n\r\n"+getLine))
		for _, target := range []string{"/http", "/"} {
			if addr == over && target == "/http" {
				continue // HTTP/2 has no native form
			}
			got := rawReply(t, addr, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n"+getLine)
			require.Equal(t, 1, countReplies(got), target)
			require.Contains(t, got, "Connection: close\r\n")
			require.True(t, strings.HasSuffix(got, "hello"))
		}
	}
	c := h2conn(t, over)
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	hears(t, s)
	require.NoError(t, s.Err())
	<-c.Done()
}

func TestNativeHandlersInform(t *testing.T) {
	bad := map[string]http.Header{"name": {"A B": {"c"}}, "value": {"A": {"b\r\nC: d"}}, "framing": {"Content-Length": {"3"}}, "connection": {"Connection": {"close"}}}
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		for name, header := range bad {
			if x.Inform(103, header) == nil {
				return errors.New(name)
			}
		}
		for _, status := range []int{99, 101, 200} {
			if x.Inform(status, nil) == nil {
				return errors.New("status")
			}
		}
		if err := errors.Join(x.Inform(102, nil), x.Inform(103, http.Header{"Link": {"</a>", "</b>"}, "X-A": {"b"}})); err != nil {
			return err
		}
		if err := x.Reply(200, "a/b", []byte("hello")); err != nil {
			return err
		}
		if x.Inform(103, nil) == nil {
			return errors.New("behind the reply")
		}
		return nil
	}, &Config{NoDate: true})
	const reply = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n"
	got := rawReply(t, native, getLine)
	require.True(t, strings.HasPrefix(got, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nX-A: b\r\n\r\nHTTP/1.1 200 OK\r\n"), got)
	require.True(t, strings.HasSuffix(got, "\r\n\r\nhello"))
	require.Equal(t, "HTTP/1.1 200 OK", statusLine(rawReply(t, native, "GET / HTTP/1.0\r\n\r\n")), reply)

	c := h2conn(t, over)
	s, err := c.Open(t.Context(), ask2("GET"), true)
	require.NoError(t, err)
	var statuses []int
	for {
		h, err := s.Head(t.Context())
		require.NoError(t, err)
		statuses = append(statuses, h.Status)
		if h.Status == 103 {
			require.Equal(t, []http2.Field{{Name: "link", Value: "</a>"}, {Name: "link", Value: "</b>"}, {Name: "x-a", Value: "b"}}, h.Fields)
		}
		if !h.Informational() {
			break
		}
	}
	require.Equal(t, []int{102, 103, 200}, statuses)
}

// TestInformationalResponseDoesNotWaitForARead has a goroutine read a body that does not arrive, while the handler
// sends informational responses, including 100.
func TestInformationalResponseDoesNotWaitForARead(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(r.Body)
			read <- err
		}()
		synctest.Wait() // it is reading
		for _, status := range []int{103, 100, 103} {
			w.WriteHeader(status)
		}
		if err := <-read; err != nil {
			panic(err)
		}
	}
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		inBubble(t, handler, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
			nc, in := dial()
			_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\n"+expect+"Content-Length: 5\r\n\r\n")
			require.NoError(t, err)
			want := []int{103, 100, 103, 200}
			if expect != "" {
				want = append([]int{100}, want...)
			}
			for i, status := range want {
				if i == len(want)-1 {
					_, err = io.WriteString(nc, "hello") // the body arrives last
					require.NoError(t, err)
				}
				r, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				require.Equal(t, status, r.StatusCode)
			}
			require.NoError(t, nc.Close())
		})
	}
}

// TestInformationalResponseDoesNotWaitForAReadOverHTTP2 is the same with HTTP/2.
func TestInformationalResponseDoesNotWaitForAReadOverHTTP2(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(r.Body)
			read <- err
		}()
		for range 3 {
			w.WriteHeader(103)
		}
		<-read
	}), nil)
	c := h2conn(t, addr)
	s, err := c.Open(t.Context(), ask2("POST"), false)
	require.NoError(t, err)
	for range 3 {
		h, err := s.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, 103, h.Status)
	}
	require.NoError(t, s.Out.Close())
	h, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, 200, h.Status)
}
