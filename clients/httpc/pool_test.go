package httpc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// inBubble runs a test in a synctest bubble with an in-memory network. Every host leads to the server, which answers
// each connection with answer.
func inBubble(
	t *testing.T, cfg Config, answer func(nc net.Conn, in *bufio.Reader), test func(t *testing.T, c *Client, accepted *atomic.Int64),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network chaniotest.Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		var accepted atomic.Int64
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				accepted.Add(1)
				go func() {
					defer func() { _ = nc.Close() }()
					answer(nc, bufio.NewReader(nc))
				}()
			}
		}()
		if cfg.Dial == nil {
			cfg.Dial = func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
				nc, err := network.DialContext(ctx, "mem", "server")
				if err != nil {
					return nil, err
				}
				return chanio.NewConn(nc, conn), nil
			}
		}
		c := New(&cfg)
		defer func() {
			require.NoError(t, c.Close())
			_ = ln.Close()
			time.Sleep(time.Hour) // until the servers have finished sleeping
		}()
		test(t, c, &accepted)
	})
}

func requireTimeout(t *testing.T, err error, phase Phase) {
	t.Helper()
	var late *TimeoutError
	require.ErrorAs(t, err, &late)
	require.Equal(t, phase, late.Phase)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var ne net.Error
	require.ErrorAs(t, err, &ne)
	require.True(t, ne.Timeout())
}

// silent reads without answering.
func silent(_ net.Conn, in *bufio.Reader) { _, _ = io.Copy(io.Discard, in) }

func TestHeadTimeout(t *testing.T) {
	inBubble(t, Config{HeadTimeout: 3 * time.Second}, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for _, body := range []Body{{}, Text("small"), Bytes(make([]byte, 1<<20))} {
			start := time.Now()
			_, err := c.Do(t.Context(), &Request{URL: "http://a", Body: body})
			requireTimeout(t, err, PhaseHead)
			require.Equal(t, 3*time.Second, time.Since(start))
		}
	})
}

// TestHeadTimeoutOverHTTP2 answers some requests in time, and others with the head alone.
func TestHeadTimeoutOverHTTP2(t *testing.T) {
	n := 0
	serves := func(f *frames.Framer, id uint32) {
		switch n++; n % 3 {
		case 1:
			writeHead(f, id, false, ":status", "103")
		case 2:
			answers200(f, id)
		case 0: // later than HeadTimeout
			writeHead(f, id, false, ":status", "200")
			time.Sleep(10 * time.Second)
			_ = f.WriteData(id, true, []byte("hello"))
		}
	}
	answer := func(nc net.Conn, in *bufio.Reader) { answerFrames(nc, in, []answer{serves}) }
	inBubble(t, Config{HeadTimeout: 3 * time.Second, Protocols: h2c()}, answer, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		for _, body := range []Body{{}, Text("small"), Bytes(make([]byte, 1<<15))} {
			start := time.Now()
			_, err := c.Do(t.Context(), &Request{URL: "http://a", Body: body})
			requireTimeout(t, err, PhaseHead)
			require.Equal(t, 3*time.Second, time.Since(start))
			for range 2 {
				_, got := text(t, c, "http://a")
				require.Equal(t, "hello", got)
			}
		}
		require.EqualValues(t, 1, accepted.Load(), "the stream ends, not the connection")
	})
}

// TestHeadTimeoutOfAnOldConnectionIsNotRepeated checks that the timeout passes only once, although the request could be
// sent again if the server had closed the connection.
func TestHeadTimeoutOfAnOldConnectionIsNotRepeated(t *testing.T) {
	once := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, hello)
			silent(nc, in)
		}
	}
	inBubble(t, Config{HeadTimeout: 3 * time.Second}, once, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		text(t, c, "http://a")
		start := time.Now()
		_, err := c.Get(t.Context(), "http://a")
		requireTimeout(t, err, PhaseHead)
		require.Equal(t, 3*time.Second, time.Since(start).Truncate(time.Second))
		require.EqualValues(t, 1, accepted.Load())
	})
}

func TestBodyTimeoutIsForEachWait(t *testing.T) {
	trickle := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) == nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		for range 5 {
			time.Sleep(2 * time.Second)
			_, _ = io.WriteString(nc, "x")
		}
		silent(nc, in)
	}
	inBubble(t, Config{BodyTimeout: 3 * time.Second, HeadTimeout: time.Second}, trickle, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for _, read := range []func(*Response) (int, error){
			func(r *Response) (int, error) { p, err := io.ReadAll(r.HTTP().Body); return len(p), err },
			func(r *Response) (int, error) { p, err := r.Bytes(t.Context()); return len(p), err },
		} {
			start := time.Now()
			resp, err := c.Get(t.Context(), "http://a")
			require.NoError(t, err)
			n, err := read(resp)
			require.Equal(t, 5, n)
			requireTimeout(t, err, PhaseBody)
			require.Equal(t, 13*time.Second, time.Since(start))
			require.NoError(t, resp.Close())
		}
	})
}

func TestTotalAndAttemptTimeouts(t *testing.T) {
	headOnly := func(nc net.Conn, in *bufio.Reader) {
		if r := readRequest(in); r != nil && r.URL.Path == "/head" {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
		}
		silent(nc, in)
	}
	inBubble(t, Config{}, headOnly, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for _, phase := range []Phase{PhaseTotal, PhaseAttempt} {
			r := &Request{URL: "http://a/", Timeout: 5 * time.Second}
			if phase == PhaseAttempt {
				r.Timeout, r.AttemptTimeout = time.Minute, 5*time.Second
			}
			start := time.Now()
			_, err := c.Do(t.Context(), r)
			requireTimeout(t, err, phase)
			require.Equal(t, 5*time.Second, time.Since(start))

			r.URL += "head"
			start = time.Now()
			resp, err := c.Do(t.Context(), r)
			require.NoError(t, err)
			_, err = resp.Text(t.Context())
			requireTimeout(t, err, phase)
			require.Equal(t, 5*time.Second, time.Since(start))
			require.NoError(t, resp.Close())
		}
	})
}

func TestConnectTimeoutAndCancelledDial(t *testing.T) {
	hang := func(ctx context.Context, _ string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	inBubble(t, Config{Dial: hang}, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		start := time.Now()
		_, err := c.Get(t.Context(), "http://a")
		requireTimeout(t, err, PhaseConnect)
		require.Equal(t, 30*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Get(ctx, "http://a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Dialing, "nobody waits for the dial")
	})
}

func TestPoolTimeoutAndBusy(t *testing.T) {
	cfg := Config{MaxPerHost: 1, MaxWaiters: 1, PoolTimeout: 2 * time.Second}
	inBubble(t, cfg, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		first := c.Go(ctx, &Request{URL: "http://a"})
		synctest.Wait()
		start := time.Now()
		second := c.Go(t.Context(), &Request{URL: "http://a"})
		synctest.Wait()
		_, err := c.Get(t.Context(), "http://a")
		require.ErrorIs(t, err, ErrBusy)
		_, err = second.Await(t.Context())
		requireTimeout(t, err, PhasePool)
		require.Equal(t, 2*time.Second, time.Since(start))
		cancel()
		_, err = first.Await(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, c.Stats()[0].Rejected)
	})
}

func TestWaitersAreServedInTurnWithinTheLimit(t *testing.T) {
	slow := func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			time.Sleep(time.Second)
			_, _ = io.WriteString(nc, hello)
		}
	}
	inBubble(t, Config{MaxPerHost: 2}, slow, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		start := time.Now()
		var ended [6]time.Duration
		done := make(chan error)
		for i := range ended {
			go func() {
				_, err := c.Get(t.Context(), "http://a")
				ended[i] = time.Since(start)
				done <- err
			}()
			synctest.Wait() // keeps the order
		}
		for range ended {
			require.NoError(t, <-done)
		}
		const s = time.Second
		require.Equal(t, [6]time.Duration{s, s, 2 * s, 2 * s, 3 * s, 3 * s}, ended)
		require.EqualValues(t, 2, accepted.Load())
	})
}

func TestIdleConnectionsOfOthersMakeRoom(t *testing.T) {
	inBubble(t, Config{MaxConns: 2}, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
		for i := range 5 {
			text(t, c, fmt.Sprintf("http://host%d", i))
			time.Sleep(time.Second)
		}
		open := 0
		for _, s := range c.Stats() {
			open += s.Open
		}
		require.Equal(t, 2, open)
		require.EqualValues(t, 5, accepted.Load())
	})
}

// TestOtherHostsGetTheirTurnAtTheLimit checks that a request that waits because of MaxConns is served when a connection
// to another host has ended.
func TestOtherHostsGetTheirTurnAtTheLimit(t *testing.T) {
	slow := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			time.Sleep(time.Second)
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
		}
	}
	inBubble(t, Config{MaxConns: 1}, slow, func(t *testing.T, c *Client, _ *atomic.Int64) {
		first := c.Go(t.Context(), &Request{URL: "http://a"})
		synctest.Wait()
		second := c.Go(t.Context(), &Request{URL: "http://b"})
		for _, f := range []interface {
			Await(context.Context) (*Response, error)
		}{first, second} {
			resp, err := f.Await(t.Context())
			require.NoError(t, err)
			_, err = resp.Text(t.Context())
			require.NoError(t, err)
		}
	})
}

func TestIdleAndOldConnectionsEnd(t *testing.T) {
	inBubble(t, Config{IdleTimeout: 10 * time.Second}, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
		text(t, c, "http://a")
		time.Sleep(9 * time.Second)
		text(t, c, "http://a")
		require.EqualValues(t, 1, accepted.Load())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Open)
		require.EqualValues(t, 1, c.Stats()[0].Expired)
	})
	inBubble(t, Config{MaxLifetime: 100 * time.Second}, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
		for range 89 {
			text(t, c, "http://a")
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, accepted.Load())
		time.Sleep(12 * time.Second)
		text(t, c, "http://a")
		require.EqualValues(t, 2, accepted.Load())
	})
}

func TestUnreadBodyHoldsNoConnectionForEver(t *testing.T) {
	half := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			silent(nc, in)
		}
	}
	inBubble(t, Config{}, half, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		time.Sleep(4 * time.Minute)
		p, err := resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(p))
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, c.Stats()[0].Open)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Open)
		_, err = resp.Body.Recv(t.Context())
		require.ErrorIs(t, err, ErrHeld)
	})
}

// blockingWriter is a Writer that waits.
type blockingWriter chan struct{}

func (w blockingWriter) Write(p []byte) (int, error) {
	<-w
	return len(p), nil
}

// TestWriterOfABodyHoldsNoConnectionForEver copies a body to a Writer that takes nothing, without a buffer between them.
func TestWriterOfABodyHoldsNoConnectionForEver(t *testing.T) {
	half := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			silent(nc, in)
		}
	}
	inBubble(t, Config{}, half, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.RoundTrip(newRequest(t, "GET", "http://a", nil))
		require.NoError(t, err)
		w, copied := make(blockingWriter), make(chan error)
		go func() {
			_, err := io.Copy(w, resp.Body)
			copied <- err
		}()
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		select {
		case <-resp.Body.(*body).in.(*conn).nc.Done():
		default:
			t.Error("the connection is still open")
		}
		close(w)
		synctest.Wait()
		select {
		case err := <-copied:
			require.ErrorIs(t, err, ErrHeld)
		default:
			require.NoError(t, resp.Body.Close())
			t.Error("the body has not ended")
			<-copied
		}
	})
}

// TestWriterOfABodyHoldsNoPlaceInThePool closes a body while a Writer takes nothing of it.
func TestWriterOfABodyHoldsNoPlaceInThePool(t *testing.T) {
	overBoth(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long(100<<10)) },
		func(t *testing.T, c *Client, base string) {
			c.t.cfg.MaxPerHost = 1
			resp, err := c.RoundTrip(newRequest(t, "GET", base, nil))
			require.NoError(t, err)
			w, copied := make(waitingWriter), make(chan error, 1)
			go func() {
				_, err := io.Copy(w, resp.Body)
				copied <- err
			}()
			<-w
			require.NoError(t, resp.Body.Close())
			ctx, cancel := context.WithTimeout(t.Context(), testPatience)
			defer cancel()
			next, err := c.Get(ctx, base)
			require.NoError(t, err)
			require.NoError(t, next.Close())
			<-w
			require.ErrorIs(t, <-copied, net.ErrClosed)
		})
}

// waitingWriter is a Writer that says when it waits, and waits to be told to go on.
type waitingWriter chan struct{}

func (w waitingWriter) Write(p []byte) (int, error) {
	w <- struct{}{}
	w <- struct{}{}
	return len(p), nil
}

func TestCloseDrainsWhatIsShortAndComesSoon(t *testing.T) {
	rest := func(nc net.Conn, in *bufio.Reader) {
		for r := readRequest(in); r != nil; r = readRequest(in) {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
			if r.URL.Path == "/slow" {
				silent(nc, in)
			}
			time.Sleep(90 * time.Millisecond)
			_, _ = nc.Write(make([]byte, 100000))
		}
	}
	inBubble(t, Config{}, rest, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		for range 2 {
			resp, err := c.Get(t.Context(), "http://a")
			require.NoError(t, err)
			require.NoError(t, resp.Close())
		}
		require.EqualValues(t, 1, accepted.Load())
		resp, err := c.Get(t.Context(), "http://a/slow")
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, resp.Close())
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		require.Zero(t, c.Stats()[0].Open)
	})
}

func TestExpectWaitsASecondAndNoLonger(t *testing.T) {
	var behaviour string
	answer := func(nc net.Conn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			switch expects := r.Header.Get("Expect") != ""; {
			case behaviour == "refuses" && expects:
				_, _ = io.WriteString(nc, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
				continue
			case behaviour == "denies":
				_, _ = io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
				continue
			case behaviour == "continues" && expects:
				time.Sleep(300 * time.Millisecond)
				_, _ = io.WriteString(nc, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
	for _, c := range []struct {
		behaviour string
		status    int
		took      time.Duration
		conns     int64
	}{
		{"continues", 200, 300 * time.Millisecond, 1}, {"ignores", 200, time.Second, 1}, {"refuses", 200, 0, 2}, {"denies", 403, 0, 1},
	} {
		behaviour = c.behaviour
		inBubble(t, Config{}, answer, func(t *testing.T, client *Client, accepted *atomic.Int64) {
			start := time.Now()
			body := recordClose(readerOf("hello"))
			r := Request{Method: "POST", URL: "http://a", Body: Reader(body, 5), Expect: true}
			resp, err := client.Do(t.Context(), &r)
			require.NoError(t, err, c.behaviour)
			require.Equal(t, c.status, resp.Status, c.behaviour)
			require.Equal(t, c.took, time.Since(start), c.behaviour)
			require.Equal(t, c.conns, accepted.Load(), c.behaviour)
			got, err := resp.Text(t.Context())
			require.NoError(t, err)
			require.Equal(t, map[int]string{200: "hello", 403: ""}[c.status], got)
			body.requireClosed(t)
			if c.behaviour == "continues" {
				require.Equal(t, 100, resp.Informational[0].Status)
			}
			if c.status == 403 {
				require.Zero(t, client.Stats()[0].Open, "the body is still due on that connection")
			}
		})
	}
}

func TestShutdownWaitsForResponses(t *testing.T) {
	half := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			time.Sleep(5 * time.Second)
			_, _ = io.WriteString(nc, "world")
		}
	}
	inBubble(t, Config{}, half, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		start, down := time.Now(), make(chan error)
		go func() { down <- c.Shutdown(t.Context()) }()
		synctest.Wait()
		_, err = c.Get(t.Context(), "http://a")
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, err, net.ErrClosed)
		all, err := resp.Text(t.Context())
		require.NoError(t, err)
		require.Equal(t, "helloworld", all)
		require.NoError(t, <-down)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
	inBubble(t, Config{}, half, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Shutdown(ctx), context.DeadlineExceeded)
		_, err = resp.Text(t.Context())
		require.Error(t, err)
		time.Sleep(5 * time.Second) // of the server
	})
}

func TestRetryPolicyPausesAndHeedsRetryAfter(t *testing.T) {
	var n atomic.Int64
	busy := func(nc net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			if n.Add(1) < 3 {
				_, _ = io.WriteString(nc, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			_, _ = io.WriteString(nc, hello)
		}
	}
	inBubble(t, Config{Retry: &RetryPolicy{}}, busy, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		start := time.Now()
		status, _ := text(t, c, "http://a")
		require.Equal(t, 200, status)
		require.Equal(t, 14*time.Second, time.Since(start).Truncate(time.Second), "and a look at the idle connection")
		require.EqualValues(t, 1, accepted.Load())

		n.Store(0)
		resp, err := c.Post(t.Context(), "http://a", Text("x"))
		require.NoError(t, err)
		require.Equal(t, 503, resp.Status, "a POST may have been carried out")
		require.EqualValues(t, 1, n.Load())

		n.Store(0)
		r := Request{Method: "POST", URL: "http://a", Body: Text("x"), Header: http.Header{"idempotency-key": {"k"}}}
		resp, err = c.Do(t.Context(), &r)
		require.NoError(t, err)
		require.Equal(t, 200, resp.Status)

		n.Store(-100)
		r = Request{URL: "http://a", Retry: &RetryPolicy{Tries: 5, MaxRetryAfter: time.Second}}
		resp, err = c.Do(t.Context(), &r)
		require.NoError(t, err)
		require.Equal(t, 503, resp.Status)
		require.EqualValues(t, -99, n.Load(), "it is asked to wait for too long")

		start = time.Now()
		r.Retry = &RetryPolicy{Tries: 5, MaxRetryAfter: -1}
		resp, err = c.Do(t.Context(), &r)
		require.NoError(t, err)
		require.Equal(t, 503, resp.Status)
		require.EqualValues(t, -94, n.Load())
		require.LessOrEqual(t, time.Since(start), 1500*time.Millisecond)
	})
}

func TestFutureThatIsFailedCancelsItsRequest(t *testing.T) {
	inBubble(t, Config{}, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		f := c.Go(t.Context(), &Request{URL: "http://a"})
		synctest.Wait()
		require.Equal(t, 1, c.Stats()[0].Open)
		f.Fail(context.Canceled)
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Open)
	})
}

func TestWarmMakesConnectionsAhead(t *testing.T) {
	inBubble(t, Config{}, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
		require.NoError(t, c.Warm(t.Context(), "http://a", 3))
		require.Equal(t, 3, c.Stats()[0].Idle)
		text(t, c, "http://a")
		require.EqualValues(t, 3, accepted.Load())
	})
}

// TestLimitsAreThoseOfTheConfig sets each limit lower than its default.
func TestLimitsAreThoseOfTheConfig(t *testing.T) {
	answer := func(nc net.Conn, in *bufio.Reader) {
		for r := readRequest(in); r != nil; r = readRequest(in) {
			switch r.URL.Path {
			case "/head":
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nA: "+long(2<<10)+"\r\nContent-Length: 0\r\n\r\n")
			case "/fields":
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nContent-Length: 0\r\n\r\n")
			case "/informational":
				_, _ = io.WriteString(nc, "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n"+hello)
			case "/drain":
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n"+long(20000))
			case "/held":
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
			default:
				_, _ = io.WriteString(nc, hello)
			}
		}
	}
	cfg := Config{
		MaxHead: 1 << 10, MaxFields: 3, MaxInformational: 1, MaxDrain: 10000, HeldTimeout: time.Second, ExpectTimeout: 2 * time.Second,
	}
	inBubble(t, cfg, answer, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for path, want := range map[string]error{
			"/head": chanio.ErrTooLarge, "/fields": chanio.ErrTooLarge, "/informational": errInformational,
		} {
			_, err := c.Get(t.Context(), "http://a"+path)
			require.ErrorIs(t, err, want, path)
		}
		resp, err := c.Get(t.Context(), "http://a/drain")
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		require.Zero(t, c.Stats()[0].Open, "more is left than is drained")

		resp, err = c.Get(t.Context(), "http://a/held")
		require.NoError(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		_, err = resp.Body.Recv(t.Context())
		require.ErrorIs(t, err, ErrHeld)

		start := time.Now()
		resp, err = c.Do(t.Context(), &Request{URL: "http://a/", Body: Text("x"), Expect: true})
		require.NoError(t, err)
		require.NoError(t, resp.Close())
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestWarmOfNoneIsNothing(t *testing.T) {
	require.NoError(t, newClient(t, nil).Warm(t.Context(), "http://127.0.0.1:1", -1))
}

// TestWarmStopsAtTheLimits requests more connections than allowed, several times concurrently.
func TestWarmStopsAtTheLimits(t *testing.T) {
	for name, cfg := range map[string]Config{
		"per host": {MaxPerHost: 3}, "total": {MaxConns: 3}, "waiters": {MaxPerHost: 3, MaxWaiters: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, cfg, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
				busy, err := c.Get(t.Context(), "http://a")
				require.NoError(t, err)
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { assert.NoError(t, c.Warm(t.Context(), "http://a", 5)) })
				}
				wg.Wait()
				require.NoError(t, busy.Close())
				require.NoError(t, c.Warm(t.Context(), "http://a", 5))
				require.Equal(t, 3, c.Stats()[0].Idle)
				require.EqualValues(t, 3, accepted.Load())
			})
		})
	}
}

// TestNegativeIdleTimeoutIsNone keeps a connection as long as its server does.
func TestNegativeIdleTimeoutIsNone(t *testing.T) {
	inBubble(t, Config{IdleTimeout: -1}, says(hello), func(t *testing.T, c *Client, accepted *atomic.Int64) {
		for range 3 {
			text(t, c, "http://a")
			time.Sleep(24 * time.Hour)
		}
		require.EqualValues(t, 1, accepted.Load())
	})
}

// TestLongWaitForABodyIsNoNeglect waits in one Read for longer than HeldTimeout, and checks that the timer does not
// fire again and again meanwhile.
func TestLongWaitForABodyIsNoNeglect(t *testing.T) {
	late := func(nc net.Conn, in *bufio.Reader) {
		if readRequest(in) != nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			time.Sleep(time.Hour)
			_, _ = io.WriteString(nc, "hello")
			silent(nc, in)
		}
	}
	inBubble(t, Config{}, late, func(t *testing.T, c *Client, _ *atomic.Int64) {
		resp, err := c.Get(t.Context(), "http://a")
		require.NoError(t, err)
		p, err := resp.Body.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(p))
	})
}
