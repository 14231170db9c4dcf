package httpd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/http2"
)

// inBubble runs test in a synctest bubble with a server and an in-memory network. Its clock advances only when all
// goroutines wait.
func inBubble(t *testing.T, handler http.HandlerFunc, cfg *Config, test func(t *testing.T, dial func() (net.Conn, *bufio.Reader))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- New(handler, cfg).Serve(ctx, ln) }()
		test(t, func() (net.Conn, *bufio.Reader) {
			nc, err := network.DialContext(t.Context(), "mem", "server")
			require.NoError(t, err)
			return nc, bufio.NewReader(nc)
		})
		cancel()
		require.NoError(t, <-served)
	})
}

// drip sends text, one byte every interval, until that fails.
func drip(nc net.Conn, text string, interval time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(nc, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(interval)
	}
}

func requireEnd(t *testing.T, in *bufio.Reader) {
	t.Helper()
	_, err := in.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestSilentConnectionIsClosedAfterHeadTimeout(t *testing.T) {
	inBubble(t, say("x"), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		start := time.Now()
		nc, in := dial()
		requireEnd(t, in)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.NoError(t, nc.Close())
	})
}

// TestEmptyLineBehindARequestIsNotAnswered has a client send one too many, which is no request.
func TestEmptyLineBehindARequestIsNotAnswered(t *testing.T) {
	inBubble(t, say("hello"), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := io.WriteString(nc, getLine+"\r\n")
		require.NoError(t, err)
		requireHello(t, in)
		requireEnd(t, in)
		require.NoError(t, nc.Close())
	})
}

func TestHeadHasItsTimeHoweverSlowlyItTrickles(t *testing.T) {
	inBubble(t, say("x"), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		start := time.Now()
		nc, in := dial()
		go drip(nc, strings.Repeat("GET / HTTP/1.1\r\n", 10), time.Second)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
		require.True(t, r.Close)
		require.Equal(t, 30*time.Second, time.Since(start), "from when it was accepted")
		require.NoError(t, nc.Close())

		nc, in = dial()
		_, err = io.WriteString(nc, getLine)
		require.NoError(t, err)
		requireHello(t, in)
		time.Sleep(70 * time.Second) // less than IdleTimeout
		start = time.Now()
		go drip(nc, strings.Repeat("GET / HTTP/1.1\r\n", 10), time.Second)
		r, err = http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
		require.Equal(t, 30*time.Second, time.Since(start), "from its first byte")
		require.NoError(t, nc.Close())
		synctest.Wait()
		time.Sleep(time.Minute) // until drip has ended
	})
}

func requireHello(t *testing.T, in *bufio.Reader) {
	t.Helper()
	r, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode)
	_, err = io.ReadAll(r.Body)
	require.NoError(t, err)
}

func TestIdleConnectionIsClosedAfterIdleTimeout(t *testing.T) {
	inBubble(t, say("x"), nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		for range 3 { // each request starts a new timeout
			_, err := io.WriteString(nc, getLine)
			require.NoError(t, err)
			requireHello(t, in)
			time.Sleep(74 * time.Second)
		}
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		requireHello(t, in)
		start := time.Now()
		requireEnd(t, in)
		require.Equal(t, 75*time.Second, time.Since(start))
		require.NoError(t, nc.Close())
	})
}

func TestBodyWithoutAByteTimesOut(t *testing.T) {
	var read chan error // created in the bubble
	handler := func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}
	inBubble(t, handler, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		read = make(chan error, 1)
		nc, in := dial()
		_, err := io.WriteString(nc, strings.TrimSuffix(post5, "hello"))
		require.NoError(t, err)
		drip(nc, "hell", 59*time.Second)
		start := time.Now().Add(-59 * time.Second) // the time of the last byte
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
		require.Equal(t, time.Minute, time.Since(start))
		require.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
		require.NoError(t, nc.Close())
	})
}

func TestReplyToABodyThatTimesOutIs408(t *testing.T) {
	handler := Reply(func(_ context.Context, r *http.Request) (Response, error) {
		_, err := io.ReadAll(r.Body)
		return Text("x"), err
	})
	inBubble(t, handler.ServeHTTP, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := io.WriteString(nc, strings.TrimSuffix(post5, "ello"))
		require.NoError(t, err)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestTimeout, r.StatusCode)
		require.NoError(t, nc.Close())
	})
}

// TestBodyOverHTTP2MayBeSilent checks that BodyTimeout applies only to HTTP/1.
func TestBodyOverHTTP2MayBeSilent(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(body)
	}
	inBubble(t, echo, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, _ := dial()
		under := chanio.NewConn(nc, nil)
		c := http2.NewClient(under, nil)
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = c.Run(context.Background())
			_ = under.Close()
		}()
		s, err := c.Open(t.Context(), ask2("POST"), false)
		require.NoError(t, err)
		for range 3 {
			time.Sleep(time.Hour)
			require.NoError(t, s.Out.Send(t.Context(), []byte("x")))
		}
		time.Sleep(time.Hour)
		require.NoError(t, s.Out.Finish(t.Context(), nil, nil))
		h, err := s.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, h.Status)
		require.EqualValues(t, 3, h.Length)
		c.Abort(nil)
		<-over
		<-under.Done()
	})
}

func TestUnreadBodyIsWaitedForDrainTimeoutAtMost(t *testing.T) {
	for cfg, want := range map[*Config]time.Duration{nil: time.Second, {DrainTimeout: 3 * time.Second}: 3 * time.Second} {
		inBubble(t, say("x"), cfg, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
			nc, in := dial()
			start := time.Now()
			_, err := io.WriteString(nc, strings.TrimSuffix(post5, "llo"))
			require.NoError(t, err)
			r, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.True(t, r.Close)
			require.Equal(t, want, time.Since(start))
			require.NoError(t, nc.Close())
		})
	}
}

// TestClientThatTakesNothingIsAborted requires the handler's Write to fail, and not before WriteTimeout.
func TestClientThatTakesNothingIsAborted(t *testing.T) {
	var wrote chan time.Duration // created in the bubble
	handler := func(w http.ResponseWriter, _ *http.Request) {
		start := time.Now()
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 64<<10))
		}
		wrote <- time.Since(start)
	}
	inBubble(t, handler, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		wrote = make(chan time.Duration, 1)
		nc, _ := dial()
		_, err := io.WriteString(nc, getLine)
		require.NoError(t, err)
		took := <-wrote
		require.GreaterOrEqual(t, took, 30*time.Second)
		require.LessOrEqual(t, took, 60*time.Second)
		require.NoError(t, nc.Close())
	})
}

func TestEndOfCtxIsAShutdownBoundedByItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		served, ended := make(chan error, 1), make(chan error, 1)
		handler := func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- r.Context().Err()
		}
		go func() { served <- New(http.HandlerFunc(handler), nil).Serve(ctx, ln) }()
		nc, err := network.DialContext(t.Context(), "mem", "server")
		require.NoError(t, err)
		_, err = io.WriteString(nc, getLine)
		require.NoError(t, err)
		synctest.Wait()
		start := time.Now()
		cancel()
		require.Equal(t, context.Canceled, <-ended)
		require.Equal(t, 15*time.Second, time.Since(start))
		require.NoError(t, <-served)
		_, err = nc.Read(make([]byte, 1))
		require.Error(t, err)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
		require.NoError(t, nc.Close())
	})
}

func TestNegativeDurationsAreNoTimeouts(t *testing.T) {
	cfg := &Config{HeadTimeout: -1, IdleTimeout: -1, BodyTimeout: -1}
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }, cfg,
		func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
			nc, in := dial()
			for range 2 {
				time.Sleep(time.Hour)
				_, err := io.WriteString(nc, post5[:10])
				require.NoError(t, err)
				time.Sleep(time.Hour)
				_, err = io.WriteString(nc, post5[10:len(post5)-2])
				require.NoError(t, err)
				time.Sleep(time.Hour)
				_, err = io.WriteString(nc, post5[len(post5)-2:])
				require.NoError(t, err)
				requireHello(t, in)
			}
			require.NoError(t, nc.Close())
		})
}
