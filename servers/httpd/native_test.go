package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http2"
)

// startNative serves f natively and, at the second address, over an http.Handler.
func startNative(t *testing.T, f func(context.Context, Exchange) error, cfg *Config) (native, over string) {
	t.Helper()
	return startWith(t, NewNative(f, cfg)), start(t, nativeOver{f}, cfg)
}

// tell replies with what the Exchange reports about the request.
func tell(ctx context.Context, x Exchange) error {
	said := fmt.Sprintf("%s %s %s %q %q", x.Method(), x.Target(), x.Host(), x.Header("x-a"), x.Header("Content-Type"))
	if x.RemoteAddr() == "" {
		return errors.New("no address")
	}
	body, err := x.ReadBody(ctx, 100)
	if err != nil {
		return err
	}
	if err := x.Set("X-B", "b"); err != nil {
		return err
	}
	return x.Reply(http.StatusOK, "text/plain", fmt.Appendf(nil, "%s %q", said, body))
}

const (
	nativeGet  = "GET /path?q HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Type: t\r\n\r\n"
	nativePost = "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
	nativeHead = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
)

func TestNativeHandlerAnswersAsOneOverAnHTTPHandler(t *testing.T) {
	for name, c := range map[string]struct {
		f       func(context.Context, Exchange) error
		raw     string
		methods string
	}{
		"get":                     {tell, nativeGet, "GET"},
		"pipelined":               {tell, nativeGet + nativePost + nativeHead + chunked5 + nativeGet, "GET POST HEAD POST GET"},
		"1.0":                     {tell, "GET / HTTP/1.0\r\n\r\n", "GET"},
		"close":                   {tell, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET"},
		"too long":                {tell, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("x", 101), "POST"},
		"expects":                 {tell, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", "POST POST"},
		"expects nothing":         {tell, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: ,\r\n\r\nhello", "POST"},
		"expects what nobody has": {tell, "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "GET"},
		"bad target":              {tell, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", "GET"},
		"asterisk":                {tell, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS"},
		"nothing":                 {func(context.Context, Exchange) error { return nil }, nativePost + nativeGet, "POST GET"},
		"error":                   {func(context.Context, Exchange) error { return errors.New("failed") }, nativePost + nativeGet, "POST GET"},
		"refused": {func(context.Context, Exchange) error {
			return &RequestError{http.StatusTeapot, errors.New("refused")}
		}, nativeGet, "GET"},
		"status": {func(_ context.Context, x Exchange) error { return x.Reply(404, typeText, []byte("none")) }, nativeGet + nativeHead, "GET HEAD"},
		"204":    {func(_ context.Context, x Exchange) error { return x.Reply(204, "", nil) }, nativeGet + nativeGet, "GET GET"},
		"sniffed": {func(_ context.Context, x Exchange) error {
			return x.Reply(200, "", []byte("<html>"))
		}, nativeGet, "GET"},
		"large": {func(_ context.Context, x Exchange) error {
			return x.Reply(200, typeBytes, make([]byte, 100000))
		}, nativeGet + nativeGet, "GET GET"},
		"pieces": {func(ctx context.Context, x Exchange) error {
			for range 5 {
				if _, err := x.Write([]byte("piece")); err != nil {
					return err
				}
				if err := x.Flush(ctx); err != nil {
					return err
				}
			}
			return nil
		}, nativeGet + nativeGet, "GET GET"},
		"with a length": {func(_ context.Context, x Exchange) error {
			if err := x.Begin(200, typeBytes, 10); err != nil {
				return err
			}
			_, err := x.Write([]byte("0123456789"))
			return err
		}, nativeGet, "GET"},
		"HTTP": {func(_ context.Context, x Exchange) error {
			show(x.HTTP())
			if _, err := x.Write(nil); err == nil || x.Set("A", "b") == nil || x.Reply(200, "", nil) == nil {
				return errors.New("both")
			}
			return nil
		}, nativeGet + post5 + chunked5, "GET POST POST"},
	} {
		t.Run(name, func(t *testing.T) {
			native, over := startNative(t, c.f, nil)
			methods := strings.Fields(c.methods)
			want, wantEnded := talk(t, over, c.raw, methods...)
			got, ended := talk(t, native, c.raw, methods...)
			require.Equal(t, want, got)
			require.Equal(t, wantEnded, ended)
		})
	}
}

func TestNativeReplyThatFailsNeverLooksComplete(t *testing.T) {
	for name, f := range map[string]func(context.Context, Exchange) error{
		"error": func(ctx context.Context, x Exchange) error {
			_, err := x.Write([]byte("begun"))
			return errors.Join(err, x.Flush(ctx), errors.New("failed"))
		},
		"panic": func(ctx context.Context, x Exchange) error {
			_, err := x.Write([]byte("begun"))
			panic(errors.Join(err, x.Flush(ctx), http.ErrAbortHandler))
		},
		"short": func(_ context.Context, x Exchange) error { return x.Begin(200, "", 10) },
	} {
		t.Run(name, func(t *testing.T) {
			native, over := startNative(t, f, nil)
			for _, addr := range []string{native, over} {
				replies, ended := talk(t, addr, nativeGet, "GET")
				require.True(t, ended)
				for _, r := range replies {
					require.False(t, r.complete)
				}
			}
		})
	}
}

func TestExchangePanicsOnceItsHandlerHasReturned(t *testing.T) {
	kept := make(chan Exchange, 4)
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		kept <- x
		return x.Reply(200, typeText, []byte("x"))
	}, nil)
	for _, addr := range []string{native, over} {
		_, _ = talk(t, addr, nativeGet+nativeGet, "GET", "GET")
		for range 2 {
			x := awaitIn(t, kept)
			require.Panics(t, func() { x.Method() })
			require.Panics(t, func() { _ = x.Reply(200, "", nil) })
			require.Panics(t, func() { x.HTTP() })
		}
		for len(kept) > 0 {
			<-kept // of the probe
		}
	}
	require.Panics(t, func() { Exchange{}.Method() })
	require.Panics(t, func() { NewNative(nil, nil) })
}

func TestInvalidFieldsOfANativeReplyAreErrors(t *testing.T) {
	native, over := startNative(t, func(_ context.Context, x Exchange) error {
		for _, f := range [][2]string{
			{"a b", "c"}, {"X-A", "a\r\nb"}, {"X-A", "a\x00"}, {"Content-Length", "1"}, {"Transfer-Encoding", "x"}, {"Connection", "x"},
		} {
			if x.Set(f[0], f[1]) == nil {
				return errors.New(f[0])
			}
		}
		if x.Begin(99, "", 0) == nil || x.Begin(200, "a\nb", 0) == nil {
			return errors.New("status or type")
		}
		return x.Reply(200, typeText, []byte("refused"))
	}, nil)
	for _, addr := range []string{native, over} {
		replies, _ := talk(t, addr, nativeGet, "GET")
		require.Equal(t, "refused", replies[0].body)
	}
}

func TestHeadOfANativeRequestIsGoneOnceItsBodyIsRead(t *testing.T) {
	native, _ := startNative(t, func(ctx context.Context, x Exchange) error {
		if n := 0; true {
			for range x.HeadersBorrowed() {
				n++
			}
			if n != 2 || string(x.TargetBorrowed()) != "/post" || x.HeaderBorrowed("None") != nil {
				return errors.New("head")
			}
		}
		if _, err := x.Read(ctx, make([]byte, 1)); err != nil {
			return err
		}
		for _, use := range []func(){func() { x.Method() }, func() { x.HTTP() }} {
			func() {
				defer func() {
					if recover() == nil {
						panic("no panic")
					}
				}()
				use()
			}()
		}
		return x.Reply(200, typeText, []byte("gone"))
	}, nil)
	replies, ended := talk(t, native, nativePost+nativePost, "POST", "POST")
	require.False(t, ended)
	require.Equal(t, "gone", replies[1].body)
}

func TestLimitsHoldForNativeHandlers(t *testing.T) {
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	native, _ := startNative(t, func(context.Context, Exchange) error {
		entered <- struct{}{}
		<-leave
		return nil
	}, &Config{MaxConcurrent: 1, MaxBody: 10})
	replies, ended := talk(t, native, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", "POST")
	require.True(t, ended)
	require.Equal(t, http.StatusRequestEntityTooLarge, replies[0].status)
	nc, in := dial(t, native)
	_, err := io.WriteString(nc, nativeGet)
	require.NoError(t, err)
	awaitIn(t, entered)
	second, secondIn := dial(t, native)
	_, err = io.WriteString(second, nativeGet)
	require.NoError(t, err)
	resp, err := http.ReadResponse(secondIn, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	close(leave)
	resp, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestNativeBodyThatIsTooLongIsAnError(t *testing.T) {
	native, _ := startNative(t, func(ctx context.Context, x Exchange) error {
		_, err := x.ReadBody(ctx, 1000)
		if !errors.Is(err, chanio.ErrTooLarge) {
			return errors.New("it is not")
		}
		return err
	}, &Config{MaxBody: 4})
	replies, _ := talk(t, native, chunked5, "POST")
	require.Equal(t, http.StatusRequestEntityTooLarge, replies[0].status)
}

func TestNativeHandlerServesHTTP2(t *testing.T) {
	native, _ := startNative(t, tell, nil)
	s := &site{"http://" + native, newClient(t, nil), nil}
	transport := s.client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	resp, body, err := s.call(t, http.MethodPost, "/path?q", strings.NewReader("hello"), "X-A", "1", "Content-Type", "t")
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	require.Equal(t, fmt.Sprintf("POST /path?q %s \"1\" \"t\" \"hello\"", native), body)
	require.Equal(t, "b", resp.Header.Get("X-B"))
}

// TestCloseOfAnExchangeEndsTheConnection has the server announce the close before or after the reply, and then close
// the connection.
func TestCloseOfAnExchangeEndsTheConnection(t *testing.T) {
	for name, f := range map[string]func(context.Context, Exchange) error{
		"before": func(_ context.Context, x Exchange) error {
			x.CloseAfter()
			return x.Reply(http.StatusOK, typeText, []byte("hello"))
		},
		"behind": func(_ context.Context, x Exchange) error {
			defer x.CloseAfter()
			return x.Reply(http.StatusOK, typeText, []byte("hello"))
		},
		"by HTTP": func(_ context.Context, x Exchange) error {
			w, _ := x.HTTP()
			x.CloseAfter()
			_, err := io.WriteString(w, "hello")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			native, over := startNative(t, f, nil)
			for _, addr := range []string{native, over} {
				replies, ended := talk(t, addr, nativeGet, "GET")
				require.Equal(t, "hello", replies[0].body)
				require.True(t, ended)

				nc, _ := dial(t, addr)
				c := http2.NewClient(chanio.NewConn(nc, nil), nil)
				ran := make(chan error, 1)
				go func() { ran <- c.Run(context.Background()) }()
				s, err := c.Open(t.Context(), ask2("GET"), true)
				require.NoError(t, err)
				h, err := s.Head(t.Context())
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, h.Status)
				body, err := s.In.Next(t.Context())
				require.NoError(t, err)
				require.Equal(t, "hello", string(body))
				require.NoError(t, awaitIn(t, ran), "the server has ended the connection")
			}
		})
	}
}

// TestStaleExchangeIsNotThatOfAnotherConnection keeps an Exchange until its memory serves another connection.
func TestStaleExchangeIsNotThatOfAnotherConnection(t *testing.T) {
	var kept Exchange
	said := make(chan any, 1)
	native, _ := startNative(t, func(_ context.Context, x Exchange) error {
		switch x.Target() {
		case "/keep":
			kept = x
		case "/path?q":
			defer func() { said <- recover() }()
			kept.Method()
		}
		return nil
	}, nil)
	for range 10 { // one of them reuses the memory
		replies, _ := talk(t, native, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n", "GET")
		require.Len(t, replies, 1)
		replies, _ = talk(t, native, nativeGet, "GET")
		require.Len(t, replies, 1)
		require.Contains(t, <-said, "after its handler has returned")
	}
}
