package chaniotest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestPipe(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() },
	})
}

func TestPipeInABubble(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(testing.TB) (near, far *chanio.Conn) { return chanio.Pipe() },
		Facts:   Facts{Bubble: true},
	})
}

func TestTCP(t *testing.T) {
	TestConn(t, Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			a, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			b, err := ln.Accept()
			require.NoError(t, err)
			cfg := &chanio.ConnConfig{Linger: 200 * time.Millisecond}
			return chanio.NewConn(a, cfg), chanio.NewConn(b, cfg)
		},
		Facts: Facts{Linger: 200 * time.Millisecond},
	})
}

func itself(i int) int { return i }

func TestPlainSource(t *testing.T) {
	TestSource(t, Sources[int]{
		Number: itself,
		Open: func(t testing.TB, n int) *chanio.Source[int] {
			l := newLane(t, none)
			l.queue, l.eof = upTo(0, n), true
			return l.source()
		},
		Idle: func(t testing.TB) (*chanio.Source[int], <-chan struct{}) {
			told := make(chan struct{})
			next := newLane(t, none).next
			return chanio.NewSource(chanio.SourceHooks[int]{
				Next:  func(ctx context.Context) (int, error) { return untilTold(ctx, told, next) },
				Close: func() error { close(told); return nil },
			}), told
		},
		Facts: Facts{Bubble: true},
	})
}

// untilTold calls next with a ctx that ends when the producer has been told to stop.
func untilTold(ctx context.Context, told <-chan struct{}, next func(context.Context) (int, error)) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := start(func() error {
		select {
		case <-told:
			cancel(net.ErrClosed)
		case <-ctx.Done():
		}
		return nil
	})
	v, err := next(ctx)
	cancel(nil)
	<-stop.returned
	return v, err
}

func TestPlainSink(t *testing.T) {
	TestSink(t, Sinks[int]{
		Make: itself, Number: itself,
		Open: func(testing.TB) (*chanio.Sink[int], func() []int) {
			var mu sync.Mutex
			var got []int
			sink := chanio.NewSink(chanio.SinkHooks[int]{Send: func(_ context.Context, v int) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, v)
				return nil
			}})
			return sink, func() []int { return got }
		},
		Facts: Facts{Bubble: true},
	})
}

func TestPlainStream(t *testing.T) {
	TestStream(t, Streams[int]{
		Make: itself, Number: itself,
		Connect: func(t testing.TB) (*chanio.Sink[int], *chanio.Source[int]) {
			l := newLane(t, none)
			return l.sink(), l.source()
		},
		Facts: Facts{Bubble: true},
	})
}
