package httpc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

// hangs does not answer a request.
func hangs(*frames.Framer, uint32) {}

// oneStream is the announcement of a server that takes one request at a time.
var oneStream = frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: 1}

// TestConnectionThatHasDiedIsReplacedWhileRequestsTimeOut uses a network that silently drops a connection (hyper issue
// 4186, Go issue 59690). Each request has less time than the connection may be silent, so none of them sees the end of
// that time.
func TestConnectionThatHasDiedIsReplacedWhileRequestsTimeOut(t *testing.T) {
	var conns atomic.Int64
	serve := func(nc net.Conn, in *bufio.Reader) {
		if conns.Add(1) > 1 {
			answerFrames(nc, in, []answer{answers200})
			return
		}
		answerFrames(nc, in, []answer{answers200, func(*frames.Framer, uint32) { _, _ = io.Copy(io.Discard, in) }})
	}
	for name, pause := range map[string]time.Duration{"at once": 0, "later": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			conns.Store(0)
			inBubble(t, Config{Protocols: h2c(), Timeout: 5 * time.Second}, serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
				_, body := text(t, c, "http://a")
				require.Equal(t, "hello", body)
				time.Sleep(time.Second)
				start := time.Now()
				for {
					resp, err := c.Get(t.Context(), "http://a")
					if err == nil {
						require.NoError(t, resp.Close())
						break
					}
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					require.Less(t, time.Since(start), 50*time.Second, "30 s of silence, 15 s for a ping, and one request")
					time.Sleep(pause)
				}
			})
		})
	}
}

// TestIdleConnectionIsNotProbed checks that no ping is sent once all requests have been answered.
func TestIdleConnectionIsNotProbed(t *testing.T) {
	var pings atomic.Int64
	serve := func(nc net.Conn, in *bufio.Reader) {
		answerFrames(nc, bufio.NewReader(io.TeeReader(in, findPings{&pings})), []answer{answers200})
	}
	inBubble(t, Config{Protocols: h2c(), IdleTimeout: -1}, serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
		for range 3 {
			_, body := text(t, c, "http://a")
			require.Equal(t, "hello", body)
			time.Sleep(10 * time.Minute)
		}
		require.Zero(t, pings.Load())
	})
}

// TestRequestsThatWaitForAStreamAreBounded checks MaxWaiters where no further connection may be made.
func TestRequestsThatWaitForAStreamAreBounded(t *testing.T) {
	serve := func(nc net.Conn, in *bufio.Reader) { answerFrames(nc, in, []answer{answers200, hangs}, oneStream) }
	inBubble(t, Config{Protocols: h2c(), MaxPerHost: 1, MaxWaiters: 2}, serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
		_, body := text(t, c, "http://a") // now the limit is known
		require.Equal(t, "hello", body)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var busy, ended atomic.Int64
		for range 10 {
			go func() {
				_, err := c.Get(ctx, "http://a")
				if errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
				ended.Add(1)
			}()
			synctest.Wait()
		}
		require.EqualValues(t, 7, busy.Load(), "one has the stream, and two wait for it")
		require.EqualValues(t, 7, ended.Load())
		require.EqualValues(t, 7, c.Stats()[0].Rejected)
		cancel()
		synctest.Wait()
		require.EqualValues(t, 10, ended.Load())
	})
}

// TestRequestsThatWaitForAStreamOutliveTheConnection ends the connection while requests wait for one of its streams
// (async-http-client issue 2160). They are not sent yet, so any of them may be sent over another connection.
func TestRequestsThatWaitForAStreamOutliveTheConnection(t *testing.T) {
	var conns atomic.Int64
	serve := func(nc net.Conn, in *bufio.Reader) {
		if conns.Add(1) > 1 {
			answerFrames(nc, in, []answer{answers200})
			return
		}
		time.AfterFunc(time.Minute, func() { _ = nc.Close() })
		answerFrames(nc, in, []answer{answers200, hangs}, oneStream)
	}
	inBubble(t, Config{Protocols: h2c(), MaxPerHost: 1}, serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
		_, body := text(t, c, "http://a")
		require.Equal(t, "hello", body)
		first := c.Go(t.Context(), &Request{URL: "http://a", Body: Text("x")})
		synctest.Wait()
		for range 3 {
			resp, err := c.Post(t.Context(), "http://a", Text("x"))
			require.NoError(t, err)
			require.NoError(t, resp.Close())
		}
		_, err := first.Await(t.Context())
		require.Error(t, err, "it may have been acted on")
	})
}

// TestAnnouncedEndOfAConnectionTakesNoFurtherRequest uses the first of the two GOAWAY frames of a graceful shutdown,
// which names no stream, from a server that keeps the connection open (armeria pull request 3825).
func TestAnnouncedEndOfAConnectionTakesNoFurtherRequest(t *testing.T) {
	s := framed(t, []answer{func(f *frames.Framer, id uint32) {
		goesAway(1<<31-1)(f, id)
		answers200(f, id)
		goesAway(id)(f, id)
	}}, []answer{answers200})
	c := newClient(t, &Config{Protocols: h2c()})
	for n := range 3 {
		_, body := text(t, c, s.url)
		require.Equal(t, "hello", body)
		require.Equal(t, min(n+1, 2), s.accepted())
	}
}

// TestConnectionThatIsLeftIsNotReset checks that a server which goes away receives everything and the end of the
// connection, also if it answers before it reads the body.
func TestConnectionThatIsLeftIsNotReset(t *testing.T) {
	ends := make(chan error, 1)
	s := raw(t, func(nc net.Conn, in *bufio.Reader) {
		if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
			ends <- err
			return
		}
		f := frames.NewFramer(nc, in)
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				ends <- err
				return
			}
			if h, ok := frame.(*frames.HeadersFrame); ok {
				goesAway(h.StreamID)(f, h.StreamID)
				answers200(f, h.StreamID)
			}
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	resp, err := c.Post(t.Context(), s.url, Text(long(20000)))
	require.NoError(t, err)
	require.NoError(t, resp.Close())
	require.Equal(t, io.EOF, <-ends)
}

// findPings counts the PING frames among the writes of a client that has nothing else to say.
type findPings struct{ n *atomic.Int64 }

func (p findPings) Write(b []byte) (int, error) {
	if len(b) == 17 && b[2] == 8 && frames.FrameType(b[3]) == frames.FramePing {
		p.n.Add(1)
	}
	return len(b), nil
}

// TestStreamThatIsResetIsNotRepeatedBecauseItsConnectionEnds resets a stream of a connection that takes no further
// requests. The server has answered, so the request was not lost with the connection.
func TestStreamThatIsResetIsNotRepeatedBecauseItsConnectionEnds(t *testing.T) {
	reset := resets(frames.ErrCodeInternal)
	for name, k := range map[string]struct {
		close  bool
		answer answer
	}{
		"the request ends it": {true, reset},
		"the server ends it": {false, func(f *frames.Framer, id uint32) {
			goesAway(id)(f, id)
			reset(f, id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var after atomic.Int64
			s := framed(t, []answer{answers200, k.answer}, []answer{func(f *frames.Framer, id uint32) {
				after.Add(1)
				answers200(f, id)
			}})
			c := newClient(t, &Config{Protocols: h2c()})
			_, body := text(t, c, s.url)
			require.Equal(t, "hello", body)
			_, err := c.Do(t.Context(), &Request{Method: "DELETE", URL: s.url, Close: k.close})
			require.Error(t, err)
			require.Zero(t, after.Load())
		})
	}
}

// TestOldHTTP2ConnectionTakesNoFurtherRequests checks MaxLifetime on a connection that is never without a request.
func TestOldHTTP2ConnectionTakesNoFurtherRequests(t *testing.T) {
	serve := func(nc net.Conn, in *bufio.Reader) { answerFrames(nc, in, []answer{hangs, answers200}) }
	cfg := Config{Protocols: h2c(), MaxLifetime: 10 * time.Second}
	inBubble(t, cfg, serve, func(t *testing.T, c *Client, accepted *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first := c.Go(ctx, &Request{URL: "http://a"})
		synctest.Wait()
		time.Sleep(20 * time.Second)
		second := c.Go(ctx, &Request{URL: "http://a"})
		synctest.Wait()
		require.EqualValues(t, 2, accepted.Load())
		cancel()
		for _, f := range []interface {
			Await(context.Context) (*Response, error)
		}{first, second} {
			_, err := f.Await(t.Context())
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}

// TestRequestsThatWaitForADialAreBounded checks MaxWaiters while one dial may serve many requests.
func TestRequestsThatWaitForADialAreBounded(t *testing.T) {
	cfg := Config{Protocols: h2c(), MaxWaiters: 10, Connect: clients.Config{Timeout: -1}}
	cfg.Dial = func(ctx context.Context, _ string, _ *chanio.ConnConfig) (*chanio.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inBubble(t, cfg, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var busy atomic.Int64
		for range 200 {
			go func() {
				if _, err := c.Get(ctx, "http://a"); errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			}()
		}
		synctest.Wait()
		require.EqualValues(t, 200-usualStreams-10, busy.Load())
		require.Equal(t, 1, c.Stats()[0].Dialing)
		cancel()
		synctest.Wait()
		require.Zero(t, c.Stats()[0].Waiting)
	})
}

// TestStreamsThatAreNotYetOpenCountAsStreams holds as many requests as a connection accepts before their streams are
// opened. The next requests need one further connection.
func TestStreamsThatAreNotYetOpenCountAsStreams(t *testing.T) {
	var dials atomic.Int64
	cfg := Config{Protocols: h2c()}
	cfg.Dial = func(ctx context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		if dials.Add(1) > 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		here, there := net.Pipe()
		go answerFrames(there, bufio.NewReader(there), []answer{answers200})
		return chanio.NewConn(here, conn), nil
	}
	inBubble(t, cfg, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		held := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { <-ctx.Done() }})
		for range usualStreams {
			c.Go(held, &Request{URL: "http://a"})
		}
		synctest.Wait()
		for range 10 {
			c.Go(ctx, &Request{URL: "http://a"})
		}
		synctest.Wait()
		require.EqualValues(t, 2, dials.Load())
		cancel()
		synctest.Wait()
	})
}

// TestRequestAfterAnInformationalResponseIsNotRepeated ends a reused connection after a response has begun.
func TestRequestAfterAnInformationalResponseIsNotRepeated(t *testing.T) {
	var conns atomic.Int64
	serve := func(nc net.Conn, in *bufio.Reader) {
		if conns.Add(1) > 1 {
			answerFrames(nc, in, []answer{answers200})
			return
		}
		answerFrames(nc, in, []answer{answers200, func(f *frames.Framer, id uint32) {
			writeHead(f, id, false, ":status", "103")
			_ = nc.Close()
		}})
	}
	inBubble(t, Config{Protocols: h2c()}, serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
		_, body := text(t, c, "http://a")
		require.Equal(t, "hello", body)
		_, err := c.Get(t.Context(), "http://a")
		require.Error(t, err)
		require.EqualValues(t, 1, conns.Load())
	})
}
