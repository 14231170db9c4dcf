package memconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// The suite writes 13 bytes to an echo before it reads any, so one byte of
// capacity would rightly block.
func TestPipeIsANetConn(t *testing.T) {
	for _, capacity := range []int{16, 1000, 0} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				a, b = Pipe(capacity)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

func TestBytesArriveInOrderWhateverTheSizes(t *testing.T) {
	want := make([]byte, 50_000)
	for i := range want {
		want[i] = byte(i * 31 >> 3)
	}
	for _, capacity := range []int{1, 3, 600, 4096} {
		a, b := Pipe(capacity)
		go func() {
			for i, n := 0, 1; i < len(want); i, n = i+n, n%1500+7 {
				a.Write(want[i:min(i+n, len(want))])
			}
			a.CloseWrite()
		}()
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "capacity %d", capacity)
	}
}

func TestWriteBlocksAtCapacityUntilThePeerReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		wrote := make(chan int, 1)
		go func() {
			n, _ := a.Write([]byte("abcdef"))
			wrote <- n
		}()
		synctest.Wait()
		require.Empty(t, wrote)
		buf := make([]byte, 10)
		n, err := b.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(buf[:n]))
		require.Equal(t, 6, <-wrote)
		n, err = b.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "ef", string(buf[:n]))
	})
}

func TestTryWriteTakesWhatThereIsRoomFor(t *testing.T) {
	a, b := Pipe(4)
	for _, want := range []int{4, 0} {
		n, err := a.TryWrite([]byte("abcdef"))
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	_, err := b.Read(make([]byte, 3))
	require.NoError(t, err)
	n, err := a.TryWrite([]byte("xyz!"))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	got := make([]byte, 4)
	_, err = io.ReadFull(b, got)
	require.NoError(t, err)
	require.Equal(t, "dxyz", string(got))
}

func TestTryWriteWakesAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(0)
		read := make(chan string)
		go func() {
			buf := make([]byte, 8)
			n, _ := b.Read(buf)
			read <- string(buf[:n])
		}()
		synctest.Wait()
		_, err := a.TryWrite([]byte("hi"))
		require.NoError(t, err)
		require.Equal(t, "hi", <-read)
	})
}

func TestTryWriteStaysOutOfABlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(2)
		go a.Write([]byte("abcd"))
		synctest.Wait()
		n, err := a.TryWrite([]byte("x"))
		require.NoError(t, err)
		require.Zero(t, n)
		got := make([]byte, 4)
		_, err = io.ReadFull(b, got)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(got))
	})
}

func TestConcurrentWritesAreNotInterleaved(t *testing.T) {
	const writers, each, size = 8, 20, 50
	a, b := Pipe(16)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			line := strings.Repeat(string(rune('a'+w)), size)
			for range each {
				io.WriteString(a, line)
			}
		})
	}
	counts := map[string]int{}
	line := make([]byte, size)
	for range writers * each {
		_, err := io.ReadFull(b, line)
		require.NoError(t, err)
		counts[string(line)]++
	}
	all.Wait()
	require.Len(t, counts, writers)
	for line, n := range counts {
		require.Equal(t, each, n)
		require.Equal(t, strings.Repeat(line[:1], size), line)
	}
}

func TestEachByteGoesToOneOfSeveralReaders(t *testing.T) {
	const total = 20_000
	a, b := Pipe(64)
	var readers sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for range 5 {
		readers.Go(func() {
			n, err := io.Copy(io.Discard, struct{ io.Reader }{b})
			mu.Lock()
			defer mu.Unlock()
			sum += int(n)
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range total / 10 {
		_, err := a.Write(make([]byte, 10))
		require.NoError(t, err)
	}
	require.NoError(t, a.CloseWrite())
	readers.Wait()
	require.Equal(t, total, sum)
}

func TestCloseWriteEndsOneDirection(t *testing.T) {
	a, b := Pipe(0)
	io.WriteString(a, "last")
	require.NoError(t, a.CloseWrite())
	require.NoError(t, a.CloseWrite())
	_, err := a.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "last", string(got))

	io.WriteString(b, "reply")
	require.NoError(t, b.Close())
	got, err = io.ReadAll(a)
	require.NoError(t, err)
	require.Equal(t, "reply", string(got))
	require.NoError(t, a.Close())
	require.ErrorIs(t, a.CloseWrite(), net.ErrClosed)
}

func TestCloseLetsThePeerReadWhatIsBuffered(t *testing.T) {
	a, b := Pipe(0)
	io.WriteString(a, "kept")
	io.WriteString(b, "lost")
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	_, err := b.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "kept", string(got))
}

func TestAClosedConnFailsWithErrClosed(t *testing.T) {
	for name, end := range ends {
		a, _ := Pipe(0)
		end(a)
		requireEveryCallFails(t, a, net.ErrClosed, name)
		require.ErrorIs(t, a.CloseWrite(), net.ErrClosed, name)
		require.ErrorIs(t, a.SetDeadline(noDeadline), net.ErrClosed, name)
		require.ErrorIs(t, a.SetWriteDeadline(noDeadline), net.ErrClosed, name)
	}
}

func TestAbortDiscardsBothDirections(t *testing.T) {
	a, b := Pipe(0)
	io.WriteString(a, "lost")
	io.WriteString(b, "lost too")
	a.Abort()
	a.Abort()
	requireEveryCallFails(t, b, syscall.ECONNRESET)
	requireEveryCallFails(t, a, net.ErrClosed)
	require.NoError(t, b.Close())
	requireEveryCallFails(t, b, net.ErrClosed)
}

func TestAbortAfterCloseDoesNothing(t *testing.T) {
	a, b := Pipe(0)
	io.WriteString(a, "kept")
	a.Close()
	a.Abort()
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "kept", string(got))
}

func TestAnEndUnblocksEveryCallOfBothEnds(t *testing.T) {
	peerRead := map[string]error{"Close": io.EOF, "Abort": syscall.ECONNRESET}
	peerWrite := map[string]error{"Close": syscall.EPIPE, "Abort": syscall.ECONNRESET}
	for name, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			own, _ := Pipe(1)
			ownRead, ownWrite := blockedReads(own), blockedWrites(own)
			end(own)
			requireAll(t, net.ErrClosed, ownRead, ownWrite)

			a, b := Pipe(1)
			writes := blockedWrites(b)
			end(a)
			requireAll(t, peerWrite[name], writes)

			a, b = Pipe(1)
			reads := blockedReads(b)
			end(a)
			requireAll(t, peerRead[name], reads)
		})
	}
}

func TestCloseWriteUnblocksOwnWriteAndPeersRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(1)
		reads := blockedReads(b)
		require.NoError(t, a.CloseWrite())
		requireAll(t, io.EOF, reads)

		a, _ = Pipe(1)
		writes := blockedWrites(a)
		require.NoError(t, a.CloseWrite())
		requireAll(t, syscall.EPIPE, writes)
	})
}

func TestEndsMayRace(t *testing.T) {
	for range 200 {
		a, b := Pipe(8)
		var all sync.WaitGroup
		all.Go(func() { io.Copy(io.Discard, a) })
		all.Go(func() { io.Copy(io.Discard, b) })
		all.Go(func() { b.Write(make([]byte, 100)) })
		all.Go(func() { a.Write(make([]byte, 100)) })
		all.Go(func() { a.Close() })
		all.Go(func() { a.Abort() })
		all.Go(func() { b.CloseWrite() })
		all.Wait()
		requireEveryCallFails(t, a, net.ErrClosed)
		b.Close()
	}
}

func TestReadOfNothingDoesNotWait(t *testing.T) {
	a, b := Pipe(0)
	n, err := a.Read(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	b.Close()
	_, err = a.Read(nil)
	require.NoError(t, err)
}

func TestErrorsSayWhatFailedAndBetweenWhom(t *testing.T) {
	a, b := Pipe(0)
	b.Close()
	_, err := a.Write([]byte("x"))
	require.EqualError(t, err, "write mem pipe:a->pipe:b: broken pipe")
	_, err = a.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, a.SetDeadline(longAgo))
	_, err = a.Read(make([]byte, 1))
	var timeout net.Error
	require.True(t, errors.As(err, &timeout) && timeout.Timeout())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestAddressesAreTheCallers(t *testing.T) {
	near := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}
	far := Addr{"far"}
	a, b := PipeAddrs(0, near, far)
	require.Equal(t, near, a.LocalAddr())
	require.Equal(t, far, a.RemoteAddr())
	require.Equal(t, far, b.LocalAddr())
	require.Equal(t, near, b.RemoteAddr())
	require.Equal(t, "mem", far.Network())
	a, _ = PipeAddrs(0, nil, nil)
	a.Close()
	_, err := a.Write(nil)
	require.EqualError(t, err, "write mem: use of closed network connection")
}

func TestAPairUsedOutsideABubbleMayMoveIn(t *testing.T) {
	a, b := Pipe(1)
	io.WriteString(a, "x")
	b.Read(make([]byte, 1))
	synctest.Test(t, func(t *testing.T) {
		reads := blockedReads(b)
		a.Close()
		requireAll(t, io.EOF, reads)
	})
}

func TestReadAndWriteThatNeedNotWaitDoNotAllocate(t *testing.T) {
	a, b := Pipe(0)
	p := make([]byte, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a.Write(p)
		a.TryWrite(p)
		b.Read(p)
		b.Read(p)
	}))
}

func TestBlockingDoesNotAllocateAfterTheFirstTime(t *testing.T) {
	a, b := Pipe(0)
	go io.Copy(struct{ io.Writer }{b}, struct{ io.Reader }{b})
	defer a.Close()
	p := make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a.Write(p)
		io.ReadFull(a, p)
	}))
}

func TestAnIdlePairIsOneSmallAllocation(t *testing.T) {
	local, remote := net.Addr(Addr{"a"}), net.Addr(Addr{"b"})
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { PipeAddrs(0, local, remote) }), 1.0)
	size := 2 * (unsafe.Sizeof(Conn{}) + unsafe.Sizeof(stream{}))
	require.Less(t, size, uintptr(1024))
}

var ends = map[string]func(*Conn){
	"Close": func(c *Conn) { c.Close() },
	"Abort": (*Conn).Abort,
}

func requireEveryCallFails(t *testing.T, c *Conn, want error, msg ...any) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, want, msg...)
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, want, msg...)
	_, err = c.TryWrite([]byte("x"))
	require.ErrorIs(t, err, want, msg...)
}

// blockedCalls is the number of goroutines that blockedReads and blockedWrites
// leave blocked on a Conn.
const blockedCalls = 3

func blockedReads(c *Conn) <-chan error {
	return blocked(func() error {
		_, err := c.Read(make([]byte, 1))
		return err
	})
}

func blockedWrites(c *Conn) <-chan error {
	c.Write([]byte("x"))
	return blocked(func() error {
		_, err := c.Write([]byte("y"))
		return err
	})
}

func blocked(call func() error) <-chan error {
	errs := make(chan error, blockedCalls)
	for range blockedCalls {
		go func() { errs <- call() }()
	}
	synctest.Wait()
	return errs
}

func requireAll(t *testing.T, want error, calls ...<-chan error) {
	t.Helper()
	for _, errs := range calls {
		for range blockedCalls {
			require.ErrorIs(t, <-errs, want)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	src, dst := Pipe(0)
	p := make([]byte, 4096)
	b.SetBytes(int64(len(p)))
	go func() {
		defer src.Close()
		for range b.N {
			src.Write(p)
		}
	}()
	io.CopyBuffer(io.Discard, struct{ io.Reader }{dst}, make([]byte, 32<<10))
}

func BenchmarkPingPong(b *testing.B) {
	near, far := Pipe(0)
	defer near.Close()
	go io.Copy(far, struct{ io.Reader }{far})
	p := make([]byte, 64)
	for b.Loop() {
		near.Write(p)
		io.ReadFull(near, p)
	}
}

func TestTryReadReadsWhatThereIs(t *testing.T) {
	a, b := Pipe(0)
	p := make([]byte, 8)
	require.Zero(t, b.TryRead(p))
	_, err := a.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, b.SetReadDeadline(time.Unix(1, 0)))
	require.Equal(t, "hello", string(p[:b.TryRead(p)]))
	require.Zero(t, b.TryRead(p))
	a.Abort()
	require.Zero(t, b.TryRead(p))
}
