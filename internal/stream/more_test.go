package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// arrived returns the bytes that have arrived at a.
func arrived(a *memconn.Conn) string {
	p := make([]byte, 1000)
	return string(p[:a.TryRead(p)])
}

func held(t *testing.T, f func(x *stream.Stream, peer *memconn.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := memconn.Pipe(0)
		x := stream.New(a, config(&stream.Config{Coalesce: time.Second}))
		f(x, peer)
		x.Abort(nil)
	})
}

func TestAReplyIsHeldWhileInputIsAtHandAndLeavesBeforeAWait(t *testing.T) {
	ended, cancel := context.WithCancel(bg)
	cancel()
	held(t, func(x *stream.Stream, peer *memconn.Conn) {
		require.NoError(t, x.Out.Send(bg, []byte("0")))
		require.Equal(t, "0", arrived(peer), "nothing is at hand")
		_, err := peer.Write([]byte("ab"))
		require.NoError(t, err)
		require.NoError(t, x.In.Fill(bg, 1))
		require.NoError(t, x.Out.Send(bg, []byte("1")))
		x.In.Discard(1)
		ok, err := x.Out.TryEnd(nil, []byte("2"))
		require.NoError(t, err)
		require.True(t, ok)
		require.Empty(t, arrived(peer))
		x.In.Discard(1)
		require.ErrorIs(t, x.In.Fill(ended, 1), context.Canceled)
		require.Equal(t, "12", arrived(peer))
	})
}

func TestWhatIsHeldLeavesWithFlushCloseUncorkAndMuch(t *testing.T) {
	for name, leave := range map[string]func(x *stream.Stream){
		"Flush":  func(x *stream.Stream) { require.NoError(t, x.Out.Flush(bg)) },
		"Close":  func(x *stream.Stream) { require.NoError(t, x.Out.Close()) },
		"Cork":   func(x *stream.Stream) { x.Out.Cork(false) },
		"delay":  func(x *stream.Stream) { time.Sleep(time.Second + 1) },
		"much":   func(x *stream.Stream) { require.NoError(t, x.Out.Send(bg, make([]byte, 16<<10-1))) },
		"larger": func(x *stream.Stream) { require.NoError(t, x.Out.Send(bg, make([]byte, 16<<10))) },
	} {
		held(t, func(x *stream.Stream, peer *memconn.Conn) {
			x.Out.Cork(true)
			n, err := x.Out.SendAll(bg, [][]byte{[]byte("1"), nil, []byte("2")})
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.Empty(t, arrived(peer), name)
			leave(x)
			synctest.Wait()
			require.Contains(t, arrived(peer), "12", name)
		})
	}
}

func TestClosesFromAnywhereReturnTheSame(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		sent := make(chan struct{})
		go func() { defer close(sent); _ = x.Out.Send(bg, make([]byte, 8<<20)) }()
		time.Sleep(20 * time.Millisecond)
		errs := make(chan error, 4)
		for range 4 {
			go func() { errs <- x.Out.Close() }()
		}
		for x.Out.Ending().Open() { // until a Close has begun
			time.Sleep(time.Millisecond)
		}
		require.ErrorIs(t, x.Out.Send(bg, []byte("x")), net.ErrClosed)
		require.ErrorIs(t, x.Out.Send(bg, make([]byte, 20<<10)), net.ErrClosed)
		_, err := x.Out.TryEnd(nil, []byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = readAll(y)
		require.NoError(t, err)
		for range 4 {
			require.NoError(t, <-errs)
		}
		<-sent
	})
}

func TestAWriteThatMeetsAResetExplainsTheEndOfIn(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	require.NoError(t, q.SetLinger(0))
	require.NoError(t, q.Close())
	var sent error
	for sent == nil {
		sent = x.Out.Send(bg, []byte("x"))
	}
	_, err := readAll(x)
	require.Equal(t, sent, err)
	<-x.Released()
}

func TestAnEnd(t *testing.T) {
	var e stream.End
	require.True(t, e.Open())
	var log bytes.Buffer
	e.Logger = slog.New(slog.NewTextHandler(&log, nil))
	done := e.Done()
	called := make(chan string, 10)
	e.OnDone(func() { called <- "first" })
	stop := e.OnDone(func() { called <- "never" })
	require.True(t, stop())
	require.False(t, stop())
	require.NoError(t, e.Settle(bg))
	stopBefore := e.BeforeClose(func(context.Context) error { called <- "settled"; return errTest })
	require.ErrorIs(t, e.Settle(bg), errTest)
	require.Equal(t, "settled", <-called)
	stopBefore()
	require.NoError(t, e.Settle(bg))

	require.True(t, e.BeginClose(nil))
	require.False(t, e.BeginClose(errTest))
	<-done
	require.Equal(t, "first", <-called)
	require.False(t, e.Open())
	require.False(t, e.Ended())
	require.True(t, e.Set(nil))
	require.False(t, e.Set(errTest))
	require.NoError(t, e.Err())
	require.True(t, e.Ended())
	<-e.Done()
	e.OnDone(func() { called <- "late" })
	require.Equal(t, "late", <-called)
	require.Empty(t, called)

	var failed stream.End
	require.NoError(t, failed.Err())
	require.True(t, failed.Set(errTest))
	require.ErrorIs(t, failed.Err(), errTest)
	<-failed.Done()
}

func TestAPanicInOnDoneIsLogged(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	e := stream.End{Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))}
	e.OnDone(func() { panic("of the user") })
	e.Set(nil)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return bytes.Contains(log.Bytes(), []byte("of the user"))
	}, 20*time.Second, time.Millisecond)
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestABufferKeepsWhatItWasGivenWhateverItsSize(t *testing.T) {
	var b stream.Buffer
	want := data(3 << 20)
	b.Prepend(want[:300<<10]) // larger than a block of the first sizes
	got := 300 << 10
	for got < len(want) {
		n := copy(b.Space(100), want[got:])
		require.Positive(t, n)
		b.Add(n)
		got += n
		require.Equal(t, got, b.Len())
	}
	require.True(t, bytes.Equal(want, b.Bytes()))
	require.False(t, b.Discard(len(want)-10))
	b.Release()
	require.Equal(t, want[len(want)-10:], b.Bytes())
	b.Prepend([]byte("x"))
	require.Equal(t, append([]byte("x"), want[len(want)-10:]...), b.Bytes())
	require.True(t, b.Discard(11))
	require.Zero(t, b.Len())
	for _, size := range []int{0, 1, 1 << 10, 1<<10 + 1, 5 << 10} {
		c := b.Clone(want[:size])
		require.Equal(t, want[:size], c)
		require.Equal(t, len(c), cap(c))
	}
}

// exiting calls Goexit in Write.
type exiting struct{ net.Conn }

func (exiting) Write([]byte) (int, error) { runtime.Goexit(); return 0, nil }

func TestGoexitInTheNetConnEndsTheStream(t *testing.T) {
	p, _ := tcpPair(t)
	x := stream.New(exiting{p}, config(nil))
	_ = x.Out.Send(bg, []byte("x"))
	var err *panicError
	require.True(t, errors.As(x.Out.Flush(bg), &err))
	require.Nil(t, err.v)
	<-x.Released()
}

func TestScratchIsKeptAtHandWhileSomethingIsHeld(t *testing.T) {
	held(t, func(x *stream.Stream, peer *memconn.Conn) {
		x.Out.Cork(true)
		var lent []*byte
		for range 3 {
			scratch := append(x.Out.Begin(), 'x')
			lent = append(lent, &scratch[0])
			require.NoError(t, x.Out.End(bg, scratch, nil))
		}
		require.Same(t, lent[1], lent[2])
		x.Out.Cork(false)
		require.Equal(t, "xxx", arrived(peer))
	})
}

// unsupported is a net.Conn whose Write fails with an error of the kind that otherwise means a missing half-close.
type unsupported struct{ net.Conn }

func (unsupported) Write([]byte) (int, error) {
	return 0, fmt.Errorf("no writes here: %w", errors.ErrUnsupported)
}

func TestAWriteThatIsNotSupportedEndsTheHalf(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	s := stream.New(unsupported{near}, config(nil))
	defer s.Abort(nil)
	if err := s.Out.Send(bg, []byte("value")); err != nil { // or the goroutine that writes meets it
		require.ErrorContains(t, err, "no writes here")
	}
	require.ErrorContains(t, s.Out.Flush(bg), "no writes here")
	require.ErrorContains(t, s.Out.Close(), "no writes here")
	require.ErrorContains(t, s.Out.Ending().Err(), "no writes here")
	require.ErrorContains(t, s.Close(), "no writes here")
}
