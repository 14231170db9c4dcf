package httpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
)

// staged is an HTTP/2 server without TLS that permits one stream for each connection, and does what a test tells it.
type staged struct {
	mu    sync.Mutex
	conns []*frames.Framer
	got   map[string]place // requests by their path
}

// place is the connection and the stream of a request.
type place struct {
	conn int
	id   uint32
}

func (s *staged) serve(nc net.Conn, in *bufio.Reader) {
	if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
		return
	}
	f := frames.NewFramer(nc, in)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.mu.Lock()
	conn := len(s.conns)
	s.conns = append(s.conns, f)
	_ = f.WriteSettings(oneStream)
	s.mu.Unlock()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		s.mu.Lock()
		switch frame := frame.(type) {
		case *frames.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *frames.MetaHeadersFrame:
			path := frame.PseudoValue("path")
			if frame.PseudoValue("method") == "CONNECT" {
				path = "/tunnel"
			}
			s.got[path] = place{conn, frame.StreamID}
		}
		s.mu.Unlock()
	}
}

// on sends frames on a connection.
func (s *staged) on(conn int, send func(*frames.Framer)) {
	synctest.Wait()
	s.mu.Lock()
	send(s.conns[conn])
	s.mu.Unlock()
	synctest.Wait()
}

// permit changes how many streams a connection may have.
func (s *staged) permit(conn int, streams uint32) {
	s.on(conn, func(f *frames.Framer) {
		_ = f.WriteSettings(frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: streams})
	})
}

// answer completes the request for path.
func (s *staged) answer(t *testing.T, path string) {
	t.Helper()
	at := s.at(path)
	require.GreaterOrEqual(t, at, 0, "%s has not arrived", path)
	s.on(at, func(f *frames.Framer) { answers200(f, s.got[path].id) })
}

// at returns the connection on which the request for path has arrived, or -1.
func (s *staged) at(path string) int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.got[path]; ok {
		return p.conn
	}
	return -1
}

// onStage runs a test with a Client of two connections, or as many as cfg says.
func onStage(t *testing.T, cfg Config, test func(t *testing.T, s *staged, get func(path string) func() error, c *Client)) {
	t.Helper()
	s := &staged{got: map[string]place{}}
	cfg.Protocols = h2c()
	if cfg.MaxPerHost == 0 {
		cfg.MaxPerHost = 2
	}
	inBubble(t, cfg, s.serve, func(t *testing.T, c *Client, _ *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		get := func(path string) func() error {
			done := make(chan error, 1)
			go func() {
				resp, err := c.Get(ctx, "http://a"+path)
				if err == nil {
					_, err = resp.Text(ctx)
				}
				done <- err
			}()
			synctest.Wait()
			return func() error {
				synctest.Wait()
				select {
				case err := <-done:
					return err
				default:
					return errors.New("it waits")
				}
			}
		}
		test(t, s, get, c)
		cancel()
		synctest.Wait()
		stats := c.Stats()[0]
		require.Zero(t, stats.Waiting+stats.Streams, "%+v", stats)
		for m := range c.t.pool.alive {
			require.Zero(t, m.opens)
		}
	})
}

// TestALongStreamKeepsNobodyFromAnotherConnection has a request that waits while both connections are in use, of which one
// is in use for ever.
func TestALongStreamKeepsNobodyFromAnotherConnection(t *testing.T) {
	onStage(t, Config{}, func(t *testing.T, s *staged, get func(string) func() error, c *Client) {
		get("/long")
		short := get("/short")
		require.Equal(t, []int{0, 1}, []int{s.at("/long"), s.at("/short")})
		third, fourth := get("/third"), get("/fourth")
		require.Equal(t, 2, c.Stats()[0].Waiting)
		s.answer(t, "/short")
		require.NoError(t, short())
		require.Equal(t, []int{1, -1}, []int{s.at("/third"), s.at("/fourth")}, "in the order of their arrival")
		s.answer(t, "/third")
		require.NoError(t, third())
		s.answer(t, "/fourth")
		require.NoError(t, fourth())
	})
}

// TestAConnectionThatPermitsNoStreamKeepsNobody lowers the limit of one of two connections to zero, and raises it later.
func TestAConnectionThatPermitsNoStreamKeepsNobody(t *testing.T) {
	onStage(t, Config{}, func(t *testing.T, s *staged, get func(string) func() error, _ *Client) {
		one := get("/one")
		get("/two")
		s.permit(0, 0)
		s.answer(t, "/one")
		require.NoError(t, one())
		get("/three")
		require.Equal(t, -1, s.at("/three"))
		s.answer(t, "/two")
		require.Equal(t, 1, s.at("/three"))
		get("/four")
		get("/five")
		require.Equal(t, -1, s.at("/four"))
		s.permit(0, 1)
		require.Equal(t, []int{0, -1}, []int{s.at("/four"), s.at("/five")})
		s.permit(1, 2)
		require.Equal(t, 1, s.at("/five"))
	})
}

// TestWaitersForStreamsAreServedInOrder has more waiters than each event makes room for.
func TestWaitersForStreamsAreServedInOrder(t *testing.T) {
	onStage(t, Config{}, func(t *testing.T, s *staged, get func(string) func() error, _ *Client) {
		get("/a")
		get("/b")
		path := func(n int) string { return fmt.Sprint("/", n) }
		for n := range 20 {
			get(path(n))
		}
		served := func(n int) {
			t.Helper()
			require.GreaterOrEqual(t, s.at(path(n-1)), 0)
			require.Equal(t, -1, s.at(path(n)))
		}
		s.answer(t, "/b")
		served(1)
		s.permit(1, 4)
		served(4)
		s.answer(t, path(2))
		served(5)
		s.answer(t, "/a")
		served(6)
		s.permit(0, 3)
		served(8)
		s.permit(0, 1)
		s.answer(t, path(5))
		served(8)
		s.answer(t, path(4))
		served(9)
	})
}

// TestATunnelThatEndsServesAWaiter has no exchange that ends.
func TestATunnelThatEndsServesAWaiter(t *testing.T) {
	onStage(t, Config{MaxPerHost: 1}, func(t *testing.T, s *staged, get func(string) func() error, c *Client) {
		tunnels := make(chan *chanio.Conn, 1)
		go func() {
			tunnel, err := c.Connect(t.Context(), "http://a", "b:1")
			require.NoError(t, err)
			tunnels <- tunnel
		}()
		require.Equal(t, 0, s.at("/tunnel"))
		s.on(0, func(f *frames.Framer) { writeHead(f, s.got["/tunnel"].id, false, ":status", "200") })
		get("/x")
		require.Equal(t, -1, s.at("/x"))
		(<-tunnels).Abort(nil)
		require.Equal(t, 0, s.at("/x"))
	})
}

// TestAResponseThatIsNotReadLeavesRoom has received the whole response.
func TestAResponseThatIsNotReadLeavesRoom(t *testing.T) {
	onStage(t, Config{MaxPerHost: 1}, func(t *testing.T, s *staged, get func(string) func() error, c *Client) {
		f := c.Go(t.Context(), &Request{URL: "http://a/unread"})
		require.Equal(t, 0, s.at("/unread"))
		get("/waits")
		s.on(0, func(f *frames.Framer) { writeHead(f, s.got["/unread"].id, false, ":status", "200") })
		resp, err := f.Await(t.Context())
		require.NoError(t, err)
		require.Equal(t, -1, s.at("/waits"))
		s.on(0, func(f *frames.Framer) { _ = f.WriteData(s.got["/unread"].id, true, []byte("hello")) })
		require.Equal(t, 0, s.at("/waits"))
		s.answer(t, "/waits")
		get("/later")
		require.Equal(t, 0, s.at("/later"))
		require.NoError(t, resp.Close())
	})
}

// TestAConnectionThatLeavesMakesRoomForAnother has a stream that outlives the GOAWAY.
func TestAConnectionThatLeavesMakesRoomForAnother(t *testing.T) {
	onStage(t, Config{MaxPerHost: 1}, func(t *testing.T, s *staged, get func(string) func() error, _ *Client) {
		long := get("/long")
		get("/x")
		require.Equal(t, -1, s.at("/x"))
		s.on(0, func(f *frames.Framer) { _ = f.WriteGoAway(s.got["/long"].id, frames.ErrCodeNo, nil) })
		require.Equal(t, 1, s.at("/x"))
		s.answer(t, "/long")
		require.NoError(t, long())
	})
}

// TestAnExpiredConnectionMakesRoomForAnother has a stream that outlives MaxLifetime while nothing changes for its connection.
func TestAnExpiredConnectionMakesRoomForAnother(t *testing.T) {
	onStage(t, Config{MaxPerHost: 1, MaxLifetime: time.Second}, func(t *testing.T, s *staged, get func(string) func() error, _ *Client) {
		long := get("/long")
		get("/x")
		require.Equal(t, -1, s.at("/x"))
		time.Sleep(time.Second)
		require.Equal(t, 1, s.at("/x"))
		s.answer(t, "/long")
		require.NoError(t, long())
	})
}

// TestRequestsWaitForAStreamWhileADialFails checks that a failed dial fails the request it was started for only.
func TestRequestsWaitForAStreamWhileADialFails(t *testing.T) {
	s := &staged{got: map[string]place{}}
	var refuse chan struct{}
	var dials atomic.Int64
	cfg := Config{Protocols: h2c(), MaxPerHost: 2}
	cfg.Dial = func(_ context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
		if dials.Add(1) > 1 {
			<-refuse
			return nil, errors.New("refused")
		}
		here, there := net.Pipe()
		go s.serve(there, bufio.NewReader(there))
		return chanio.NewConn(here, conn), nil
	}
	inBubble(t, cfg, silent, func(t *testing.T, c *Client, _ *atomic.Int64) {
		refuse = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		get := func(path string) *future.Future[*Response] {
			f := c.Go(ctx, &Request{URL: "http://a" + path})
			synctest.Wait()
			return f
		}
		get("/long")
		second, third := get("/second"), get("/third")
		refuse <- struct{}{}
		_, err := second.Await(ctx)
		require.ErrorContains(t, err, "refused")
		s.answer(t, "/long")
		require.Equal(t, 0, s.at("/third"))
		s.answer(t, "/third")
		_, err = third.Await(ctx)
		require.NoError(t, err)
		cancel()
		close(refuse)
		time.Sleep(time.Second)
	})
}
