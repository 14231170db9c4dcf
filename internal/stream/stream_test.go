package stream_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

func TestWhatIsSentArrivesAndThenTheEnd(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		var want []byte
		sent := make(chan error, 1)
		for _, n := range []int{1, 100, 5000, 16 << 10, 17 << 10, 300 << 10, 3} {
			want = append(want, data(n)...)
		}
		go func() {
			rest := want
			for _, n := range []int{1, 100, 5000, 16 << 10, 17 << 10, 300 << 10, 3} {
				if err := x.Out.Send(bg, rest[:n]); err != nil {
					sent <- err
					return
				}
				rest = rest[n:]
			}
			sent <- x.Out.Close()
		}()
		got, err := readAll(y)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, bytes.Equal(want, got), "%d of %d bytes", len(got), len(want))
		require.NoError(t, y.Out.Send(bg, []byte("reply")))
		require.NoError(t, y.Out.Close())
		got, err = readAll(x)
		require.NoError(t, err)
		require.Equal(t, "reply", string(got))
		<-x.Released()
		<-y.Released()
		require.NoError(t, x.In.Ending().Err())
		require.NoError(t, x.Out.Ending().Err())
		require.NoError(t, x.Cause())
		require.EqualValues(t, len(want), x.BytesOut())
		require.EqualValues(t, len(want), y.BytesIn())
	})
}

func TestAReceiverHeedsItsCtxAndLosesNothing(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		for range 3 {
			ctx, cancel := context.WithTimeoutCause(bg, 20*time.Millisecond, errTest)
			_, err := x.In.Next(ctx)
			cancel()
			require.ErrorIs(t, err, errTest)
			_, err = x.In.Next(ctx)
			require.ErrorIs(t, err, errTest)
		}
		require.NoError(t, y.Out.Send(bg, []byte("a")))
		p, err := x.In.Next(bg)
		require.NoError(t, err)
		require.Equal(t, "a", string(p))
	})
}

func TestACauseThatIsEOFDoesNotLookLikeTheEnd(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(10*time.Millisecond, func() { cancel(io.EOF) })
		_, err := x.In.Next(ctx)
		require.Equal(t, context.Canceled, err)
		require.True(t, x.In.Ending().Open())
	})
}

func TestADeadlineSetBesideACallEndsThatCallAlone(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		time.AfterFunc(10*time.Millisecond, func() { x.In.SetDeadline(time.Now().Add(10 * time.Millisecond)) })
		for range 2 {
			_, err := x.In.Next(bg)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.True(t, deadline.Resumable(bg, err))
		}
		x.In.SetDeadline(time.Time{})
		require.NoError(t, y.Out.Send(bg, []byte("a")))
		_, err := x.In.Next(bg)
		require.NoError(t, err)
	})
}

// clog sends until nothing more is accepted.
func clog(t *testing.T, s *stream.Stream) {
	refused := 0 // in a row: what lies below may take a little more after a while
	for range 10000 {
		ctx, cancel := context.WithTimeout(bg, 30*time.Millisecond)
		err := s.Out.Send(ctx, make([]byte, 8<<10))
		cancel()
		if err == nil {
			refused = 0
			continue
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		if refused++; refused == 3 {
			return
		}
	}
	t.Fatal("the peer takes everything")
}

func TestASendThatWaitsHeedsCtxDeadlineAndAbort(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		clog(t, x)
		ok, err := x.Out.TryEnd(nil, []byte("x"))
		require.NoError(t, err)
		require.False(t, ok)
		x.Out.SetDeadline(time.Now().Add(20 * time.Millisecond))
		for _, size := range []int{1, 100 << 10} {
			err := x.Out.Send(bg, make([]byte, size))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.True(t, deadline.Resumable(bg, err))
		}
		x.Out.SetDeadline(time.Time{})
		failed := make(chan error, 4)
		for _, size := range []int{1, 1, 100 << 10, 100 << 10} {
			go func() { failed <- x.Out.Send(bg, make([]byte, size)) }()
		}
		time.Sleep(20 * time.Millisecond)
		x.Abort(errTest)
		for range 4 {
			require.ErrorIs(t, <-failed, errTest)
		}
		require.ErrorIs(t, x.Out.Flush(bg), errTest)
		_, err = x.In.Next(bg)
		require.ErrorIs(t, err, errTest)
		require.ErrorIs(t, x.In.Ending().Err(), errTest)
		require.ErrorIs(t, x.Out.Ending().Err(), errTest)
		require.ErrorIs(t, x.Cause(), errTest)
	})
}

func TestALargeSendWhoseCtxEndsIsFinishedWithoutIt(t *testing.T) {
	want := data(16 << 20)
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		ctx, cancel := context.WithCancel(bg)
		defer cancel()
		go func() {
			for x.BytesOut() == 0 && x.Cause() == nil { // until the value is accepted
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		body := bytes.Clone(want)
		within(t, 30*time.Second, "Send", func() { require.NoError(t, x.Out.Send(ctx, body)) })
		clear(body) // the sink refers to it no more
		closed := make(chan error, 1)
		go func() { closed <- x.Out.Close() }()
		got, err := readAll(y)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%d of %d bytes", len(got), len(want))
		require.NoError(t, <-closed)
	})
}

func TestALargeSendThatIsAbortedSaysSo(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		sent := make(chan error, 1)
		go func() { sent <- x.Out.Send(bg, make([]byte, 32<<20)) }()
		time.Sleep(30 * time.Millisecond)
		x.Abort(errTest)
		require.ErrorIs(t, <-sent, errTest)
	})
}

func TestCloseWaitsForASlowPeerAsLongAsItReads(t *testing.T) {
	{
		cfg := &stream.Config{Linger: 3 * time.Second} // a busy machine may take nothing for one
		each(t, cfg, cfg, func(t *testing.T, x, y *stream.Stream) {
			const size = 8 << 20
			if nc, ok := x.NetConn().(halfClosing); ok { // nobody can ask the kernel, so it has to take small steps
				require.NoError(t, nc.Conn.(*net.TCPConn).SetWriteBuffer(128<<10))
			}
			go x.Out.Send(bg, make([]byte, size))
			for x.BytesOut() == 0 {
				time.Sleep(time.Millisecond)
			}
			closed := make(chan error, 1)
			go func() { closed <- x.Out.Close() }()
			n := 0
			for {
				p, err := y.In.Next(bg)
				n += len(p)
				if err != nil {
					require.Equal(t, io.EOF, err)
					break
				}
				time.Sleep(time.Duration(len(p)) * 500 * time.Nanosecond) // 4 s in all
			}
			require.Equal(t, size, n)
			require.NoError(t, <-closed)
		})
	}
}

func TestCloseGivesUpOnASilentPeerAfterOneLinger(t *testing.T) {
	cfg := &stream.Config{Linger: 200 * time.Millisecond}
	value := make([]byte, 32<<20)
	each(t, cfg, nil, func(t *testing.T, x, y *stream.Stream) {
		go x.Out.Send(bg, value)
		for x.BytesOut() == 0 {
			time.Sleep(time.Millisecond)
		}
		within(t, 20*time.Second, "Close", func() { require.ErrorIs(t, x.Close(), os.ErrDeadlineExceeded) })
	})
}

func TestNothingWaitsForThePeerButClose(t *testing.T) {
	cfg := &stream.Config{CloseWait: time.Minute}
	each(t, cfg, nil, func(t *testing.T, x, y *stream.Stream) {
		within(t, 20*time.Second, "Out.Close, In.Close", func() {
			_ = x.Out.Close()
			_ = x.In.Close()
		})
		select {
		case <-x.Released():
			t.Fatal("released although the peer has not ended")
		default:
		}
		require.NoError(t, y.Out.Send(bg, []byte("late"))) // is dropped
		require.NoError(t, y.Out.Close())
		within(t, 20*time.Second, "Close", func() { require.NoError(t, x.Close()) })
	})
}

func TestAnAbortCutsTheLingerAndChangesNothingElse(t *testing.T) {
	cfg := &stream.Config{CloseWait: time.Minute, Linger: time.Minute}
	each(t, cfg, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, x.Out.Send(bg, []byte("last")))
		require.NoError(t, x.Out.Close())
		require.NoError(t, x.In.Close())
		time.Sleep(10 * time.Millisecond)
		x.Abort(errTest)
		within(t, 10*time.Second, "release", func() { <-x.Released() })
		require.NoError(t, x.Out.Ending().Err())
		require.ErrorIs(t, x.In.Ending().Err(), net.ErrClosed)
		got, err := readAll(y)
		require.NoError(t, err)
		require.Equal(t, "last", string(got))
	})
}

func TestTheLastValueArrivesAlthoughInputIsUnread(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, y.Out.Send(bg, make([]byte, 2<<10)))
		require.NoError(t, y.Out.Flush(bg))
		require.NoError(t, x.Out.Send(bg, []byte("last")))
		closed := make(chan error, 1)
		go func() { closed <- x.Close() }()
		got, err := readAll(y)
		require.NoError(t, err)
		require.Equal(t, "last", string(got))
		require.NoError(t, y.Close())
		require.NoError(t, <-closed)
	})
}

func TestWithoutHalfCloseNobodyWaits(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(hidden{p}, config(&stream.Config{CloseWait: time.Minute, Linger: time.Minute}))
	require.NoError(t, x.Out.Send(bg, []byte("reply")))
	_, err := q.Write(make([]byte, 30<<10)) // unread
	require.NoError(t, err)
	within(t, 20*time.Second, "Close", func() { require.NoError(t, x.Close()) })
	got, err := io.ReadAll(q)
	require.NoError(t, err, "a reset would have destroyed the reply")
	require.Equal(t, "reply", string(got))
}

func TestEndInLetsWhatHasArrivedBeRead(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, y.Out.Send(bg, data(2000)))
		require.NoError(t, y.Out.Flush(bg))
		time.Sleep(30 * time.Millisecond)
		x.EndIn(errTest)
		got, err := readAll(x)
		require.ErrorIs(t, err, errTest)
		require.Equal(t, len(data(2000)), len(got))
		require.ErrorIs(t, x.In.Ending().Err(), errTest)
		require.NoError(t, x.Out.Send(bg, []byte("still open")))
	})
}

func TestEndInEndsACallThatWaits(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		time.AfterFunc(10*time.Millisecond, func() { x.EndIn(errTest) })
		_, err := x.In.Next(bg)
		require.ErrorIs(t, err, errTest)
	})
}

func TestAnIdleTimeoutEndsInAlone(t *testing.T) {
	each(t, &stream.Config{IdleTimeout: 200 * time.Millisecond}, nil, func(t *testing.T, x, y *stream.Stream) {
		_, err := x.In.Next(bg)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.False(t, deadline.Resumable(bg, err))
		_, again := x.In.Next(bg)
		require.Equal(t, err, again)
	})
}

func TestAWriteTimeoutAbortsWhenThePeerTakesNothing(t *testing.T) {
	each(t, &stream.Config{WriteTimeout: 100 * time.Millisecond}, nil, func(t *testing.T, x, y *stream.Stream) {
		var err error
		for err == nil {
			err = x.Out.Send(bg, make([]byte, 8<<10))
		}
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorIs(t, x.Out.Ending().Err(), os.ErrDeadlineExceeded)
	})
}

func TestAWriteTimeoutSparesAPeerThatTakesALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := pairs["memory"](t, config(&stream.Config{WriteTimeout: 200 * time.Millisecond}), config(nil))
		defer x.Abort(nil)
		const size = 64<<10 + 1000
		sent := make(chan error, 1)
		go func() {
			err := x.Out.Send(bg, make([]byte, size))
			if err == nil {
				err = x.Out.Flush(bg)
			}
			sent <- err
		}()
		nc := y.NetConn()
		for n := 0; n < 1000; n += 50 { // 1 KB a second
			_, err := nc.Read(make([]byte, 50))
			require.NoError(t, err)
			time.Sleep(50 * time.Millisecond)
		}
		require.NoError(t, <-sent)
	})
}

func TestAWriteTimeoutLeavesNoDeadline(t *testing.T) {
	const timeout = 3 * time.Second // a busy machine may take nothing for one
	each(t, &stream.Config{WriteTimeout: timeout}, nil, func(t *testing.T, x, y *stream.Stream) {
		go func() {
			time.Sleep(50 * time.Millisecond)
			_, _ = readAll(y)
		}()
		require.NoError(t, x.Out.Send(bg, make([]byte, 8<<20)))
		require.NoError(t, x.Out.Flush(bg))
		time.Sleep(timeout + 100*time.Millisecond)
		require.NoError(t, x.Out.Send(bg, []byte("x")))
		require.NoError(t, x.Out.Flush(bg))
	})
}

func TestAStrayDeadlineNeitherSpinsNorEnds(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, x.NetConn().SetReadDeadline(time.Now()))
		time.AfterFunc(30*time.Millisecond, func() { _ = y.Out.Send(bg, []byte("a")) })
		p, err := x.In.Next(bg)
		require.NoError(t, err)
		require.Equal(t, "a", string(p))
	})
}

func TestNothingOfACallIsLeftOnTheSocket(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(&stream.Config{IdleTimeout: time.Minute}))
	defer x.Abort(nil)
	for range 10 {
		ctx, cancel := context.WithTimeout(bg, time.Millisecond)
		_, err := x.In.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		x.In.SetDeadline(time.Now().Add(time.Millisecond))
		_, err = x.In.Next(bg)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		x.In.SetDeadline(time.Time{})
		_, err = q.Write([]byte("a"))
		require.NoError(t, err)
		_, err = p.Read(make([]byte, 1))
		require.NoError(t, err)
	}
}

func TestBytesReadBeforeComeFirst(t *testing.T) {
	each(t, &stream.Config{Prefix: []byte("before ")}, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, y.Out.Send(bg, []byte("after")))
		require.NoError(t, y.Out.Close())
		got, err := readAll(x)
		require.NoError(t, err)
		require.Equal(t, "before after", string(got))
	})
}

func TestAReset(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(p, config(nil))
	require.NoError(t, q.SetLinger(0))
	require.NoError(t, q.Close())
	_, err := readAll(x)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.ErrorIs(t, x.Cause(), syscall.ECONNRESET)
	for err = nil; err == nil; {
		err = x.Out.Send(bg, []byte("x"))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET, "EPIPE, which the reset explains")
	<-x.Released()
}

type panicking struct {
	net.Conn
	on string
}

func (c panicking) Write(p []byte) (int, error) {
	if c.on == "write" {
		panic("of the user")
	}
	return c.Conn.Write(p)
}

func (c panicking) Read(p []byte) (int, error) {
	if c.on == "read" {
		panic("of the user")
	}
	return c.Conn.Read(p)
}

func (c panicking) SetReadDeadline(t time.Time) error {
	if c.on == "deadline" {
		panic("of the user")
	}
	return c.Conn.SetReadDeadline(t)
}

func (c panicking) Close() error {
	_ = c.Conn.Close()
	if c.on == "close" {
		panic("of the user")
	}
	return nil
}

func TestAPanicOfTheNetConnEndsTheStream(t *testing.T) {
	for _, on := range []string{"write", "read", "deadline", "close"} {
		t.Run(on, func(t *testing.T) {
			p, _ := tcpPair(t)
			x := stream.New(panicking{p, on}, config(nil))
			ctx, cancel := context.WithCancel(bg)
			time.AfterFunc(10*time.Millisecond, cancel)
			_ = x.Out.Send(bg, []byte("x"))
			if on == "write" {
				err := x.Out.Flush(bg)
				require.ErrorContains(t, err, "of the user")
			}
			_, err := x.In.Next(ctx)
			if on == "read" || on == "deadline" {
				require.ErrorContains(t, err, "of the user")
			}
			require.Error(t, err)
			_ = x.In.Close()
			x.Abort(nil)
			<-x.Released()
		})
	}
}

// deaf does not support read deadlines.
type deaf struct{ net.Conn }

func (deaf) SetReadDeadline(time.Time) error { return errTest }

func TestANetConnIsNotReadWhenItsDeadlineCannotBeSet(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(deaf{p}, config(&stream.Config{IdleTimeout: time.Hour}))
	defer x.Abort(nil)
	_, err := q.Write([]byte("x"))
	require.NoError(t, err)
	_, err = x.In.Next(bg)
	require.ErrorIs(t, err, errTest, "the read could not be interrupted")
}

type zeroes struct {
	net.Conn
	n atomic.Int32
}

func (z *zeroes) Read(p []byte) (int, error) {
	if z.n.Add(1)%2 == 1 {
		return 0, nil
	}
	return z.Conn.Read(p)
}

func TestAReadThatBringsNothingIsTriedAgain(t *testing.T) {
	p, q := tcpPair(t)
	x := stream.New(&zeroes{Conn: p}, config(nil))
	defer x.Abort(nil)
	for range 3 {
		_, err := q.Write([]byte("a"))
		require.NoError(t, err)
		_, err = x.In.Next(bg)
		require.NoError(t, err)
	}
}

func TestOnReleaseMayCallBack(t *testing.T) {
	p, q := tcpPair(t)
	var x *stream.Stream
	called := make(chan struct{})
	x = stream.New(p, config(&stream.Config{OnRelease: func() {
		x.Out.Cork(false)
		_ = x.Out.Close()
		_ = x.Close()
		x.Abort(errTest)
		close(called)
	}}))
	require.NoError(t, q.Close())
	_, err := readAll(x)
	require.NoError(t, err)
	_ = x.Out.Close()
	within(t, 10*time.Second, "OnRelease", func() { <-called })
}

type manyErrors []error

func (manyErrors) Error() string { return "many" }

func TestACauseNeedNotBeComparable(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(10*time.Millisecond, func() { cancel(manyErrors{io.EOF}) })
		_, err := x.In.Next(ctx)
		require.Equal(t, manyErrors{io.EOF}, err)
		time.AfterFunc(10*time.Millisecond, func() { x.Abort(manyErrors{io.EOF}) })
		_, err = x.In.Next(bg)
		require.Equal(t, manyErrors{io.EOF}, err)
	})
}

// fullConn takes nothing. Its peer has taken what progress says.
type fullConn struct {
	net.Conn
	progress atomic.Int64
}

func (c *fullConn) TryWrite([]byte) (int, error) { return 0, nil }
func (c *fullConn) Progress() int64              { return c.progress.Load() }

func (c *fullConn) WaitWrite(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// The kernel of the peer takes something more when a write has begun to wait.
func TestAWriteTimeoutCountsFromTheLastProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := net.Pipe()
		defer q.Close()
		nc := &fullConn{Conn: p}
		x := stream.New(nc, stream.Config{WriteTimeout: 4 * time.Second})
		start := time.Now()
		require.NoError(t, x.Out.Send(t.Context(), []byte("x")))
		time.Sleep(time.Millisecond)
		nc.progress.Add(1000)
		<-x.Out.Ending().Done()
		require.ErrorIs(t, x.Out.Ending().Err(), os.ErrDeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start), "the timeout, and a quarter until the progress is seen")
		<-x.Released()
	})
}

// lying returns a wrong number from Read.
type lying struct {
	net.Conn
	n int
}

func (c lying) Read(p []byte) (int, error) { return min(c.n, len(p)+1), nil }

func TestAReadThatReturnsANumberOutOfRangeEndsTheStream(t *testing.T) {
	for _, n := range []int{-1, 1 << 30} {
		for _, into := range [][]byte{nil, make([]byte, 3)} {
			p, _ := tcpPair(t)
			x := stream.New(lying{p, n}, config(nil))
			var err error
			if into == nil {
				_, err = x.In.Next(bg)
			} else {
				_, err = x.In.Read(bg, into)
			}
			require.ErrorContains(t, err, "out of range")
			x.Abort(nil)
			<-x.Released()
		}
	}
}
