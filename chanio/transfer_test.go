package chanio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
)

// sockets returns both ends of an operating system's connection.
func sockets(t testing.TB, network string, cfg *chanio.ConnConfig) (*chanio.Conn, *chanio.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, addr)
	require.NoError(t, err)
	defer ln.Close()
	dialled := make(chan net.Conn, 1)
	go func() {
		nc, _ := net.Dial(network, ln.Addr().String())
		dialled <- nc
	}()
	b, err := ln.Accept()
	require.NoError(t, err)
	a := <-dialled
	for _, nc := range []net.Conn{a, b} { // so that it clogs soon
		if tcp, ok := nc.(*net.TCPConn); ok {
			require.NoError(t, tcp.SetReadBuffer(64<<10))
			require.NoError(t, tcp.SetWriteBuffer(64<<10))
		}
	}
	near, far := chanio.NewConn(a, cfg), chanio.NewConn(b, cfg)
	t.Cleanup(func() {
		near.Out.Abort(nil)
		far.Out.Abort(nil)
	})
	return near, far
}

// pattern returns n bytes with a prime period, so that a misplaced byte is noticed.
func pattern(n int) []byte {
	period := make([]byte, 65521)
	for i := range period {
		period[i] = byte(i ^ i>>8)
	}
	return bytes.Repeat(period, n/len(period)+1)[:n:n]
}

// transferSources return streams that yield p and end.
func transferSources(t testing.TB, p []byte) map[string]func() *chanio.Source[[]byte] {
	sent := func(near, far *chanio.Conn) *chanio.Source[[]byte] {
		go func() {
			_ = near.Out.Send(t.Context(), p)
			_ = near.Out.Close()
		}()
		return far.In
	}
	return map[string]func() *chanio.Source[[]byte]{
		"chunks": func() *chanio.Source[[]byte] {
			return chanio.FromSlice([][]byte{p[:1], p[1 : len(p)/2], p[len(p)/2:]})
		},
		"a reader": func() *chanio.Source[[]byte] { return chanio.FromReader(bytes.NewReader(p)) },
		"a file":   func() *chanio.Source[[]byte] { return chanio.FromFile(file(t, p), 0, -1) },
		"memory":   func() *chanio.Source[[]byte] { return sent(memory(t)) },
		"tcp":      func() *chanio.Source[[]byte] { return sent(sockets(t, "tcp", nil)) },
		"unix":     func() *chanio.Source[[]byte] { return sent(sockets(t, "unix", nil)) },
	}
}

// memory returns two connected Conns that a cleanup closes.
func memory(t testing.TB) (*chanio.Conn, *chanio.Conn) {
	near, far := chanio.Pipe()
	t.Cleanup(func() {
		near.Out.Abort(nil)
		far.Out.Abort(nil)
	})
	return near, far
}

// file returns an open file with these contents, which a cleanup closes.
func file(t testing.TB, p []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, p, 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// transferSink is the destination of a stream, with a way to get what arrived there.
type transferSink struct {
	sink *chanio.Sink[[]byte]
	got  func() []byte
}

func transferSinks(t testing.TB, limit int) map[string]func() transferSink {
	received := func(sink *chanio.Sink[[]byte], src *chanio.Source[[]byte]) transferSink {
		all := future.Go(t.Context(), func(ctx context.Context) ([]byte, error) { return chanio.ReadAll(ctx, src, limit) })
		return transferSink{sink, func() []byte {
			p, err := all.Await(t.Context())
			require.NoError(t, err)
			return p
		}}
	}
	conns := func(near, far *chanio.Conn) transferSink { return received(near.Out, far.In) }
	return map[string]func() transferSink{
		"memory": func() transferSink { return conns(memory(t)) },
		"tcp":    func() transferSink { return conns(sockets(t, "tcp", nil)) },
		"unix":   func() transferSink { return conns(sockets(t, "unix", nil)) },
		"values": func() transferSink {
			src, sink := chanio.PipeOf[[]byte](1)
			return received(sink, src)
		},
		"a writer": func() transferSink {
			out := new(bytes.Buffer)
			return transferSink{chanio.ToWriter(out), out.Bytes}
		},
	}
}

// transferring is a Transfer that runs concurrently with the test.
func transferring(ctx context.Context, src, dst *chanio.Conn) *future.Future[int64] {
	return future.Go(ctx, func(ctx context.Context) (int64, error) { return chanio.Transfer(ctx, src.In, dst.Out) })
}

func TestTransferMovesEverythingByEveryRoute(t *testing.T) {
	p := pattern(1<<20 + 17)
	for from, source := range transferSources(t, p) {
		for to, sink := range transferSinks(t, 2*len(p)) {
			src, dst := source(), sink()
			n, err := chanio.Transfer(t.Context(), src, dst.sink)
			require.NoError(t, err, "%s to %s", from, to)
			require.EqualValues(t, len(p), n, "%s to %s", from, to)
			_, err = src.Recv(t.Context())
			require.Equal(t, io.EOF, err)
			require.NoError(t, dst.sink.Send(t.Context(), []byte("tail")), "Transfer has not closed it")
			require.NoError(t, dst.sink.Close())
			require.True(t, bytes.Equal(append(p[:len(p):len(p)], "tail"...), dst.got()), "%s to %s", from, to)
		}
	}
}

// TestG2TransferThatIsCancelledLosesNothing cancels a Transfer to a clogged peer while bytes are in flight.
func TestG2TransferThatIsCancelledLosesNothing(t *testing.T) {
	p := pattern(6 << 20)
	for _, network := range []string{"tcp", "unix"} {
		near, src := sockets(t, network, nil)
		dst, far := sockets(t, network, nil)
		go func() {
			_ = near.Out.Send(t.Context(), p)
			_ = near.Out.Close()
		}()
		var got []byte
		for round := 0; ; round++ {
			ctx, cancel := context.WithCancelCause(t.Context())
			all := transferring(ctx, src, dst)
			for len(got) < min((round+1)<<19, len(p)) { // then it is left to clog
				got = append(got, first(t, far.In)...)
			}
			for range 100 * round {
				runtime.Gosched()
			}
			cancel(errBroken)
			<-all.Done()
			if all.Err() == nil {
				break
			}
			require.Equal(t, errBroken, all.Err())
			if round > 8 {
				go func() {
					_, _ = chanio.Transfer(t.Context(), src.In, dst.Out)
					_ = dst.Out.Close()
				}()
				for chunk := range far.In.All(t.Context()) {
					got = append(got, chunk...)
				}
				break
			}
		}
		require.True(t, bytes.Equal(p, got), network)
	}
}

func TestG2CancelledTransferCountsWhatItMoved(t *testing.T) {
	p := pattern(6 << 20)
	sources := map[string]func() *chanio.Source[[]byte]{
		"tcp": func() *chanio.Source[[]byte] {
			near, src := sockets(t, "tcp", nil)
			go func() {
				_ = near.Out.Send(t.Context(), p)
				_ = near.Out.Close()
			}()
			return src.In
		},
		"file":   func() *chanio.Source[[]byte] { return chanio.FromFile(file(t, p), 0, -1) },
		"reader": func() *chanio.Source[[]byte] { return chanio.FromReader(bytes.NewReader(p)) },
	}
	for name, source := range sources {
		src := source()
		dst, far := sockets(t, "tcp", nil)
		ctx, cancel := context.WithCancel(t.Context())
		all := future.Go(t.Context(), func(context.Context) (int64, error) {
			n, err := chanio.Transfer(ctx, src, dst.Out)
			require.ErrorIs(t, err, context.Canceled, name)
			return n, nil
		})
		var got []byte
		for len(got) < 1<<20 {
			got = append(got, first(t, far.In)...)
		}
		cancel()
		n, err := all.Await(t.Context())
		require.NoError(t, err)
		rest := future.Go(t.Context(), func(ctx context.Context) ([]byte, error) { return chanio.ReadAll(ctx, src, len(p)) })
		go func() { _ = dst.Out.Close() }()
		for chunk := range far.In.All(t.Context()) {
			got = append(got, chunk...)
		}
		require.EqualValues(t, n, len(got), name)
		left, err := rest.Await(t.Context())
		require.NoError(t, err)
		require.True(t, bytes.Equal(p, append(got, left...)), name)
	}
}

func TestTransferEndsAtOnceWhenTheSinkDoes(t *testing.T) {
	for name, end := range map[string]func(*chanio.Sink[[]byte]) error{
		"Close": func(s *chanio.Sink[[]byte]) error { _ = s.Close(); return net.ErrClosed },
		"Abort": func(s *chanio.Sink[[]byte]) error { s.Abort(errBroken); return errBroken },
	} {
		near, src := sockets(t, "tcp", nil)
		dst, _ := sockets(t, "tcp", nil)
		all := transferring(t.Context(), src, dst)
		want := end(dst.Out)
		<-all.Done()
		require.Equal(t, want, all.Err(), name)
		require.NoError(t, near.Out.Send(t.Context(), []byte("x")))
		require.Equal(t, "x", string(first(t, src.In)), name)
	}
}

func TestTransferReturnsTheFailureOfItsSource(t *testing.T) {
	_, ended := sockets(t, "tcp", nil)
	dst, far := sockets(t, "tcp", nil)
	ended.EndIn(errBroken)
	_, err := chanio.Transfer(t.Context(), ended.In, dst.Out)
	require.Equal(t, errBroken, err)
	require.Equal(t, errBroken, ended.In.Err())

	near, src := sockets(t, "tcp", nil)
	all := transferring(t.Context(), src, dst)
	near.Out.Abort(nil)
	<-all.Done()
	require.Error(t, all.Err())
	require.NotErrorIs(t, all.Err(), io.EOF)
	require.Equal(t, all.Err(), src.In.Err())

	require.NoError(t, dst.Out.Send(t.Context(), []byte("still open")))
	require.Equal(t, "still open", string(first(t, far.In)))
}

func TestTransferReturnsTheFailureOfItsSink(t *testing.T) {
	near, src := sockets(t, "tcp", nil)
	dst, far := sockets(t, "tcp", nil)
	all := transferring(t.Context(), src, dst)
	far.Out.Abort(nil)
	go func() {
		for near.Out.Send(t.Context(), pattern(1<<16)) == nil {
		}
	}()
	<-all.Done()
	require.Error(t, all.Err())
	<-dst.Out.Done()
	require.NoError(t, src.In.Err(), "the source goes on")
	_ = first(t, src.In)
	near.Out.Abort(nil)
}

func TestG8TransferToAPeerThatTakesNothingTimesOut(t *testing.T) {
	near, src := sockets(t, "tcp", nil)
	dst, _ := sockets(t, "tcp", &chanio.ConnConfig{WriteTimeout: 50 * time.Millisecond})
	go func() {
		for near.Out.Send(t.Context(), pattern(1<<16)) == nil {
		}
	}()
	_, err := chanio.Transfer(t.Context(), src.In, dst.Out)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	near.Out.Abort(nil)
}

func TestTransferTakesWhatWasPutBackFirst(t *testing.T) {
	near, src := sockets(t, "tcp", nil)
	dst, far := sockets(t, "tcp", nil)
	require.NoError(t, near.Out.Send(t.Context(), []byte("3")))
	require.NoError(t, near.Out.Close())
	up := src.In.Claim("test")
	up.Unread([]byte("2"))
	up.Unread([]byte("1"))
	up.Release()
	n, err := chanio.Transfer(t.Context(), src.In, dst.Out)
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.NoError(t, dst.Out.Close())
	got, err := chanio.ReadAll(t.Context(), far.In, 10)
	require.NoError(t, err)
	require.Equal(t, "123", string(got))
}

// TestG10TransferMixesNothingIntoValues sends from other goroutines while bytes are spliced.
func TestG10TransferMixesNothingIntoValues(t *testing.T) {
	const mark = "<a value of its own>"
	near, src := sockets(t, "tcp", nil)
	dst, far := sockets(t, "tcp", nil)
	go func() {
		for range 200 {
			_ = near.Out.Send(t.Context(), bytes.Repeat([]byte{'.'}, 10_000))
		}
		_ = near.Out.Close()
	}()
	var all sync.WaitGroup
	all.Go(func() {
		_, err := chanio.Transfer(t.Context(), src.In, dst.Out)
		require.NoError(t, err)
	})
	for range 2 {
		all.Go(func() {
			for range 200 {
				require.NoError(t, dst.Out.Send(t.Context(), []byte(mark)))
			}
		})
	}
	go func() {
		all.Wait()
		_ = dst.Out.Close()
	}()
	got, err := chanio.ReadAll(t.Context(), far.In, 4<<20)
	require.NoError(t, err)
	require.Equal(t, 400, strings.Count(string(got), mark))
	require.Equal(t, 2_000_000, strings.Count(string(got), "."))
	require.Len(t, got, 2_000_000+400*len(mark))
}

func TestTransferOfAFileGoesOnWhereTheFileStands(t *testing.T) {
	f := file(t, []byte("head and body"))
	_, err := f.Seek(5, io.SeekStart)
	require.NoError(t, err)
	dst, far := sockets(t, "tcp", nil)
	closes := 0
	n, err := chanio.Transfer(t.Context(), chanio.FromReader(f, func() error { closes++; return nil }), dst.Out)
	require.NoError(t, err)
	require.EqualValues(t, 8, n)
	require.Equal(t, 1, closes)
	require.NoError(t, dst.Out.Close())
	got, err := chanio.ReadAll(t.Context(), far.In, 100)
	require.NoError(t, err)
	require.Equal(t, "and body", string(got))
}

func TestG11TransferLeavesNoDescriptorOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts in /proc")
	}
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(open)
	}
	near, src := sockets(t, "tcp", nil)
	dst, _ := sockets(t, "tcp", nil)
	before := count()
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		_, err := chanio.Transfer(ctx, src.In, dst.Out)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, before, count())
	_ = near
}

func TestTransferRunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, src := chanio.Pipe()
		dst, far := chanio.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		all := future.Go(t.Context(), func(context.Context) (int64, error) { return chanio.Transfer(ctx, src.In, dst.Out) })
		require.NoError(t, near.Out.Send(t.Context(), []byte("hello")))
		require.Equal(t, "hello", string(first(t, far.In)))
		start := time.Now()
		<-all.Done()
		require.Equal(t, context.DeadlineExceeded, all.Err())
		require.Equal(t, time.Minute, time.Since(start))
		for _, c := range []*chanio.Conn{near, src, dst, far} {
			c.Out.Abort(nil)
		}
	})
}

// countedCtx counts the functions that wait for its end.
type countedCtx struct {
	context.Context
	done    chan struct{} // its own, so that package context uses AfterFunc
	waiting atomic.Int32
}

func (c *countedCtx) Done() <-chan struct{} { return c.done }

func (c *countedCtx) AfterFunc(func()) (stop func() bool) {
	c.waiting.Add(1)
	return sync.OnceValue(func() bool {
		c.waiting.Add(-1)
		return true
	})
}

func TestTransferLeavesNothingOnItsCtx(t *testing.T) {
	ctx := &countedCtx{Context: t.Context(), done: make(chan struct{})}
	var got bytes.Buffer
	n, err := chanio.Transfer(ctx, chanio.FromSlice([][]byte{[]byte("some"), []byte("more")}), chanio.ToWriter(&got))
	require.NoError(t, err)
	require.EqualValues(t, 8, n)
	require.Equal(t, "somemore", got.String())
	require.Zero(t, ctx.waiting.Load())
}
