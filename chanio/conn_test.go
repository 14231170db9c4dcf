package chanio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/pipeline"
)

// all returns the bytes that src yields, and its end.
func all(ctx context.Context, src *chanio.Source[[]byte]) (got []byte, err error) {
	for {
		chunk, err := src.Recv(ctx)
		if err != nil {
			return got, err
		}
		got = append(got, chunk...)
	}
}

// atLeast returns the next bytes that src yields, n or more.
func atLeast(t testing.TB, src *chanio.Source[[]byte], n int) (got []byte) {
	t.Helper()
	for len(got) < n {
		chunk, err := src.Recv(t.Context())
		require.NoError(t, err)
		got = append(got, chunk...)
	}
	return got
}

func TestG1EndInLetsWhatHasArrivedBeReceived(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		finish := errors.New("finish")
		_, err := near.In.Recv(expired())
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, far.Out.Send(t.Context(), []byte("arrived")))
		require.NoError(t, far.Out.Flush(t.Context()))
		near.EndIn(finish)
		got, err := all(t.Context(), near.In)
		require.Equal(t, "arrived", string(got))
		require.Equal(t, finish, err)
		require.NoError(t, near.Out.Send(t.Context(), []byte("still open")))
		require.Equal(t, "still open", string(atLeast(t, far.In, 10)))
	})
}

func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// A large value is written from the caller's memory. If the ctx of its Send ends after the value was accepted, the rest
// is sent from a copy, because Send has returned and the caller owns the memory again.
func TestG2ALargeValueIsSentWholeOrNotAtAll(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		want := sha256.Sum256(big)
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error)
		go func() { sent <- near.Out.Send(ctx, big) }()
		first := atLeast(t, far.In, 1) // it was accepted
		cancel()
		require.NoError(t, <-sent)
		clear(big)
		require.ErrorIs(t, near.Out.Send(ctx, big), context.Canceled, "there is no room")
		rest := atLeast(t, far.In, len(big)-len(first))
		require.Equal(t, want, sha256.Sum256(append(first, rest...)))
		require.NoError(t, near.Out.Send(t.Context(), []byte("next")))
		require.Equal(t, "next", string(atLeast(t, far.In, 4)))
	})
}

func TestG5AbortResetsThePeer(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		why := errors.New("why")
		near.Out.Abort(why)
		_, err := far.In.Recv(t.Context())
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, why, near.Out.Err())
		_, err = near.In.Recv(t.Context())
		require.ErrorIs(t, err, why, "one direction of a connection cannot be reset alone")
		<-near.Done()
	})
}

func TestG5APeerThatTakesALittleKeepsCloseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chaniotest.Pipe(1 << 10)
		near := chanio.NewConn(a, nil)
		require.NoError(t, near.Out.Send(t.Context(), make([]byte, 8<<10)))
		closed := make(chan error)
		go func() { closed <- near.Out.Close() }()
		for range 7 { // each within the linger bound, all of them beyond it
			time.Sleep(chanio.DefaultLinger - time.Second)
			_, err := io.ReadFull(b, make([]byte, 1<<10))
			require.NoError(t, err)
		}
		require.NoError(t, <-closed)
		require.NoError(t, b.Close())
		near.Out.Abort(nil)
	})
}

func TestG6AConnIsReleasedWhenBothHalvesHaveEnded(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		require.NoError(t, near.Out.Close())
		_, err := far.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		requireOpen(t, near, far)
		require.NoError(t, far.Out.Close())
		<-far.Done()
		_, err = near.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		<-near.Done()
		_, err = near.NetConn().Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed, "the net.Conn below is closed")
		require.NotEmpty(t, near.RemoteAddr().String(), "addresses outlive the connection")
	})
}

func requireOpen(t *testing.T, conns ...*chanio.Conn) {
	t.Helper()
	for _, c := range conns {
		select {
		case <-c.Done():
			require.Fail(t, "released although one half is open")
		default:
		}
	}
}

func TestG7NothingUnreadTakesTheLastValueFromThePeer(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		require.NoError(t, far.Out.Send(t.Context(), make([]byte, 32<<10))) // near never reads this
		big := bytes.Repeat([]byte{1}, 48<<10)
		require.NoError(t, near.Out.Send(t.Context(), big))
		closed := make(chan error)
		go func() { closed <- near.Close() }()
		got, err := all(t.Context(), far.In)
		require.Equal(t, io.EOF, err)
		require.Equal(t, len(big), len(got))
		require.NoError(t, far.Close())
		require.NoError(t, <-closed)
	})
}

func TestG8AConnAcceptsABoundedNumberOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := chaniotest.Pipe(1)
		near := chanio.NewConn(a, nil)
		abortAfter(t, near)
		accepted := 0
		for {
			ok, err := near.Out.TrySend(make([]byte, 100))
			require.NoError(t, err)
			if !ok {
				break
			}
			accepted += 100
			require.Less(t, accepted, 80<<10)
		}
		require.Greater(t, accepted, 60<<10)
	})
}

// Many goroutines send values of all sizes. Some fit in the buffer, some are written in place, and some wait for room.
func TestG10SmallAndLargeValuesAreNotMixed(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		const senders, each = 6, 30
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for i := range each {
					size := []int{10, 300, 5 << 10, 20 << 10, 100 << 10}[(s+i)%5]
					if near.Out.Send(t.Context(), sized(s, i, size)) != nil {
						return
					}
				}
			})
		}
		r := chanio.NewReader(t.Context(), far.In)
		next := make([]int, senders)
		head := make([]byte, 8)
		for range senders * each {
			_, err := io.ReadFull(r, head)
			require.NoError(t, err)
			s, i := int(head[0]), int(head[1])
			body := make([]byte, binary.BigEndian.Uint32(head[4:])-8)
			_, err = io.ReadFull(r, body)
			require.NoError(t, err)
			require.Equal(t, len(body), bytes.Count(body, []byte{byte(s*each + i)}), "bytes of another value")
			require.Equal(t, next[s], i, "the order of one sender")
			next[s]++
		}
		sending.Wait()
	})
}

// sized returns a value that contains its sender, its number and its length.
func sized(sender, i, size int) []byte {
	p := bytes.Repeat([]byte{byte(sender*30 + i)}, size)
	copy(p, []byte{byte(sender), byte(i), 0, 0})
	binary.BigEndian.PutUint32(p[4:], uint32(size))
	return p
}

func TestG11AConnWhosePeerReadsStartsNoGoroutine(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		before := started()
		for range 100 {
			require.NoError(t, near.Out.Send(t.Context(), []byte("ping")))
			require.Equal(t, "ping", string(atLeast(t, far.In, 4)))
			require.NoError(t, far.Out.Send(t.Context(), []byte("pong")))
			require.Equal(t, "pong", string(atLeast(t, near.In, 4)))
			require.LessOrEqual(t, started(), before)
		}
	})
}

// started returns how many of the goroutines that the calling one has started still run. Other tests may leave some
// that are ending.
func started() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	self, _, _ := bytes.Cut(stacks, []byte(" [")) // the calling one comes first
	return bytes.Count(stacks, append([]byte(" in "), append(self, '\n')...))
}

func TestG12AChunkEndsWhereItsMemoryDoes(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		var kept [][]byte
		for i := range 100 {
			require.NoError(t, near.Out.Send(t.Context(), bytes.Repeat([]byte{byte(i)}, 10)))
			chunk, err := far.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, len(chunk), cap(chunk), "to append must not reach the next chunk")
			kept = append(kept, chunk)
		}
		for i, chunk := range kept {
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, 10), chunk)
		}
	})
}

func TestG15ErrorsOfAConnSayWhatAndWhere(t *testing.T) {
	onTransports(t, func(t *testing.T, near, far *chanio.Conn) {
		far.Out.Abort(nil)
		_, err := near.In.Recv(t.Context())
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "read", op.Op)
		require.Equal(t, far.LocalAddr().String(), op.Addr.String())
		require.ErrorIs(t, err, syscall.ECONNRESET)
		for err == nil || errors.Is(err, syscall.ECONNRESET) {
			if err = near.Out.Send(t.Context(), []byte("x")); err != nil {
				break
			}
		}
		require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed), err)
		_, err = far.In.Recv(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestG17NoReadIsIssuedBeforeSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := chaniotest.Pipe(0)
		nc, count := chaniotest.Count(a)
		near, far := chanio.NewConn(nc, nil), chanio.NewConn(b, nil)
		abortAfter(t, near, far)
		require.NoError(t, far.Out.Send(t.Context(), []byte("one")))
		require.NoError(t, near.Out.Send(t.Context(), []byte("x")))
		require.NoError(t, near.Out.Flush(t.Context()))
		mapped := pipeline.Map(near.In, func(p []byte) string { return string(p) })
		synctest.Wait()
		require.Equal(t, "w", count.Calls())
		got, err := mapped.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "one", got)
		require.NoError(t, far.Out.Send(t.Context(), []byte("two")))
		synctest.Wait()
		require.Equal(t, "wr", count.Calls(), "one Recv is one Read")
	})
}

// Two peers both send until they block and then read. One of them is an echo with Connect.
func TestG17ConnectDoesNotDeadlockWithAPeerThatSendsFirst(t *testing.T) {
	for name, connect := range map[string]func(testing.TB) (near, far *chanio.Conn){
		"memory": memoryPair, "tcp": shortTCPPair, "tls": tlsPair, "foreign": foreignPair,
	} {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			abortAfter(t, near, far)
			echo := make(chan error)
			go func() { echo <- pipeline.Connect(t.Context(), far.In, far.Out) }()
			sent := 0
			block := bytes.Repeat([]byte("clog"), 4<<10)
			for refused := 0; refused < 3; { // the echo is as good as stuck
				ok, err := near.Out.TrySend(block)
				require.NoError(t, err)
				if ok {
					sent, refused = sent+len(block), 0
				} else {
					refused++
					runtime.Gosched()
				}
			}
			closed := make(chan error)
			go func() { closed <- near.Out.Close() }()
			got, err := all(t.Context(), near.In)
			require.Equal(t, io.EOF, err)
			require.Equal(t, sent, len(got))
			require.NoError(t, <-closed)
			require.NoError(t, <-echo)
		})
	}
}

func TestG19WriteTimeoutSparesWhatMakesProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 5 * time.Second
		a, b := chaniotest.Pipe(1 << 10)
		near := chanio.NewConn(a, &chanio.ConnConfig{WriteTimeout: timeout})
		for range 2 { // of a size that is copied
			require.NoError(t, near.Out.Send(t.Context(), make([]byte, 10<<10)))
		}
		for range 15 {
			time.Sleep(timeout - time.Second)
			_, err := io.ReadFull(b, make([]byte, 1<<10))
			require.NoError(t, err)
			require.NoError(t, near.Out.Err())
		}
		began := time.Now()
		<-near.Out.Done()
		require.ErrorContains(t, near.Out.Err(), "peer took nothing for 5s (WriteTimeout)")
		require.ErrorIs(t, near.Out.Err(), os.ErrDeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(began), timeout)
		require.LessOrEqual(t, time.Since(began), 2*timeout)
		near.Out.Abort(nil)
	})
}

func TestG19IdleTimeoutIsArmedForEachWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 5 * time.Second
		a, b := chaniotest.Pipe(0)
		near := chanio.NewConn(a, &chanio.ConnConfig{IdleTimeout: timeout})
		defer near.Out.Abort(nil)
		for range 10 {
			time.AfterFunc(timeout-time.Second, func() { _, _ = b.Write([]byte("x")) })
			require.Equal(t, "x", string(atLeast(t, near.In, 1)))
			time.Sleep(timeout) // nobody waits for a byte
		}
		began := time.Now()
		_, err := near.In.Recv(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "nothing arrived for 5s (IdleTimeout)")
		require.Equal(t, timeout, time.Since(began))
	})
}

// TestG5AbortsCauseReachesABlockedRecv checks that a blocked Recv returns the cause of the abort, in whichever order
// the abort and the closing of the net.Conn happen.
func TestG5AbortsCauseReachesABlockedRecv(t *testing.T) {
	cause := errors.New("cause")
	for range 200 {
		near, far := chanio.Pipe()
		received := future.Go(t.Context(), near.In.Recv)
		near.Out.Abort(cause)
		_, err := received.Await(t.Context())
		require.ErrorIs(t, err, cause)
		far.Out.Abort(nil)
	}
}

func TestG1AnAbortIsNoCleanEndWhateverItsCause(t *testing.T) {
	onTransports(t, func(t *testing.T, near, _ *chanio.Conn) {
		near.Abort(io.EOF)
		_, err := near.In.Recv(t.Context())
		for _, err := range []error{err, near.In.Err(), near.Out.Err(), near.Cause(), near.Out.Send(t.Context(), []byte("x"))} {
			require.Equal(t, io.ErrUnexpectedEOF, err)
		}
	})
}

func TestG16ACloseThatPanicsReleasesTheConn(t *testing.T) {
	for name, f := range map[string]func(){"panic": func() { panic("here") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, near, _ *chanio.Conn) {
				near.Out.End().BeforeClose(func(context.Context) error { f(); return nil })
				closed := make(chan struct{})
				go func() {
					defer close(closed)
					defer func() { _ = recover() }()
					_ = near.Out.Close()
				}()
				<-closed
				var panicked *chanio.PanicError
				require.ErrorAs(t, near.Close(), &panicked)
				<-near.Done()
			})
		})
	}
}
