package chanio_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func TestG1FromWriterYieldsWhatWasWrittenThenTheEnd(t *testing.T) {
	for _, end := range []error{nil, errBroken} {
		src, w := chanio.FromWriter(100)
		n, err := io.WriteString(w, "some")
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.NoError(t, w.CloseWithError(end))
		require.NoError(t, w.Close())
		require.Equal(t, "some", string(first(t, src)))
		_, err = src.Recv(t.Context())
		if end == nil {
			end = io.EOF
		}
		require.Equal(t, end, err)
		_, err = io.WriteString(w, "more")
		require.Equal(t, net.ErrClosed, err)
	}
}

func TestG8WriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := chanio.FromWriter(4)
		res := make(chan int)
		go func() {
			n, _ := io.WriteString(w, "0123456789")
			res <- n
		}()
		var got []string
		for range 3 {
			synctest.Wait()
			select {
			case <-res:
				t.Fatal("all of it was accepted")
			default:
			}
			got = append(got, string(first(t, src)))
			if len(got) == 2 {
				break
			}
		}
		require.Equal(t, 10, <-res)
		require.Equal(t, []string{"0123", "4567"}, got)
		require.Equal(t, "89", string(first(t, src)))
	})
}

func TestG3ClosingTheSourceReachesAWriterThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := chanio.FromWriter(4)
		res := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := io.WriteString(w, "0123456789")
				res <- err
			}()
		}
		synctest.Wait()
		require.NoError(t, src.Close())
		require.Equal(t, net.ErrClosed, <-res)
		require.Equal(t, net.ErrClosed, <-res)
	})
}

func TestG2CancelledRecvOfFromWriterTookNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := chanio.FromWriter(4)
		frames := chanio.Rechunk(src, 6)
		_, err := io.WriteString(w, "012")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		res := make(chan error)
		go func() {
			_, err := frames.Recv(ctx)
			res <- err
		}()
		synctest.Wait()
		cancel()
		require.Equal(t, context.Canceled, <-res)
		_, err = io.WriteString(w, "345")
		require.NoError(t, err)
		require.Equal(t, "012345", string(first(t, frames)))
	})
}

func TestG10WritesAreNotMixed(t *testing.T) {
	src, w := chanio.FromWriter(16)
	var all sync.WaitGroup
	for _, line := range []string{strings.Repeat("a", 100) + "\n", strings.Repeat("b", 99) + "\n"} {
		all.Go(func() {
			for range 200 {
				_, _ = io.WriteString(w, line)
			}
		})
	}
	go func() {
		all.Wait()
		_ = w.Close()
	}()
	count := map[string]int{}
	for _, line := range collect(t, chanio.Lines(src, 0)) {
		count[line]++
	}
	require.Equal(t, map[string]int{strings.Repeat("a", 100): 200, strings.Repeat("b", 99): 200}, count)
}

func TestG4EverythingOnAWriterAtOnce(t *testing.T) {
	for range 200 {
		src, w := chanio.FromWriter(3)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for {
					if _, err := io.WriteString(w, "01234567"); err != nil {
						return
					}
				}
			})
			all.Go(func() { _ = w.CloseWithError(errBroken) })
			all.Go(func() { _ = src.Close() })
		}
		all.Go(func() {
			for {
				if _, err := src.Recv(t.Context()); err != nil {
					return
				}
			}
		})
		all.Wait()
	}
}

func TestFromWriterAllocatesNothingPerWrite(t *testing.T) {
	src, w := chanio.FromWriter(1024)
	up, ctx, p := src.Claim("test"), t.Context(), make([]byte, 100)
	in := up.Bytes()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = w.Write(p)
		_ = in.Fill(ctx, 1)
		in.Discard(len(in.Buffered()))
	}))
}

func TestToWriterWritesInOrderAndFlushes(t *testing.T) {
	var out bytes.Buffer
	b := bufio.NewWriter(&out)
	closes := 0
	sink := chanio.ToWriter(b, func() error { closes++; return nil })
	for _, s := range []string{"a", "b", "c"} {
		require.NoError(t, sink.Send(t.Context(), []byte(s)))
	}
	require.Zero(t, out.Len())
	require.NoError(t, sink.Flush(t.Context()))
	require.Equal(t, "abc", out.String())
	ok, err := sink.TrySend([]byte("d"))
	require.True(t, ok)
	require.NoError(t, err)
	require.NoError(t, sink.Close())
	require.NoError(t, sink.Close())
	require.Equal(t, "abcd", out.String())
	require.Equal(t, 1, closes)
	require.Equal(t, net.ErrClosed, sink.Send(t.Context(), nil))
}

func TestToWriterFlushesAWriterWhoseFlushCannotFail(t *testing.T) {
	w := &flusher{}
	require.NoError(t, chanio.ToWriter(w).Close())
	require.Equal(t, 1, w.flushes)
}

type flusher struct {
	bytes.Buffer
	flushes int
}

func (f *flusher) Flush() { f.flushes++ }

func TestToWriterTakesTheBytesOfAConnection(t *testing.T) {
	near, far := chanio.Pipe()
	text := strings.Repeat("0123456789", 20_000)
	go func() {
		_ = near.Out.Send(t.Context(), []byte(text))
		_ = near.Out.Close()
	}()
	var out bytes.Buffer
	require.NoError(t, pipeline.Connect(t.Context(), far.In, chanio.ToWriter(&out)))
	require.Equal(t, text, out.String())
	require.NoError(t, far.Close())
	require.NoError(t, near.Close())
}

func TestG1FailureOfTheWriterEndsTheSink(t *testing.T) {
	closes := 0
	broken := writeFunc(func([]byte) (int, error) { return 0, errBroken })
	sink := chanio.ToWriter(broken, func() error { closes++; return nil })
	require.Equal(t, errBroken, sink.Send(t.Context(), []byte("x")))
	<-sink.Done()
	require.Equal(t, errBroken, sink.Err())
	require.Equal(t, errBroken, sink.Send(t.Context(), []byte("y")))
	require.Equal(t, errBroken, sink.Close())
	require.Equal(t, 1, closes)

	short := chanio.ToWriter(writeFunc(func([]byte) (int, error) { return 0, nil }))
	require.Equal(t, io.ErrShortWrite, short.Send(t.Context(), []byte("x")))
}

func TestG16PanicOfTheWriterEndsTheSink(t *testing.T) {
	sink := chanio.ToWriter(writeFunc(func([]byte) (int, error) { panic("broken") }))
	require.PanicsWithValue(t, "broken", func() { _ = sink.Send(t.Context(), []byte("x")) })
	var p *chanio.PanicError
	require.ErrorAs(t, sink.Err(), &p)
	require.Error(t, sink.Send(t.Context(), []byte("y")), "and the turn is not lost")
}

func TestG2CancelledSendToABusyWriterSentNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := chanio.FromWriter(1)
		sink := chanio.ToWriter(w, w.Close)
		busy := make(chan error)
		go func() { busy <- sink.Send(t.Context(), []byte("first")) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.Equal(t, context.Canceled, sink.Send(ctx, []byte("second")))
		ok, err := sink.TrySend([]byte("third"))
		require.False(t, ok)
		require.NoError(t, err)
		go func() {
			<-busy
			_ = sink.Close()
		}()
		got, err := chanio.ReadAll(t.Context(), src, 100)
		require.NoError(t, err)
		require.Equal(t, "first", string(got))
	})
}

func TestG5CloseOfAWriterThatHangsWaitsForTheLingerBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w := chanio.FromWriter(1)
		sink := chanio.ToWriter(w, w.Close)
		busy := make(chan error)
		go func() { busy <- sink.Send(t.Context(), []byte("never read")) }()
		synctest.Wait()
		start := time.Now()
		err := sink.Close()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, chanio.DefaultLinger, time.Since(start))
		require.Error(t, <-busy, "the closer has ended the Write")
	})
}

func TestG5AbortUnblocksEverythingOnAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w := chanio.FromWriter(1)
		sink := chanio.ToWriter(w) // without a closer: the Write itself goes on
		res := make(chan error)
		go func() { _ = sink.Send(t.Context(), []byte("never read")) }()
		synctest.Wait()
		go func() { res <- sink.Send(t.Context(), []byte("waits")) }()
		go func() { res <- sink.Flush(t.Context()) }()
		synctest.Wait()
		go func() { res <- sink.Close() }()
		synctest.Wait()
		sink.Abort(errBroken)
		var got []error
		for range 3 {
			got = append(got, <-res)
		}
		for _, err := range got {
			require.True(t, errors.Is(err, errBroken) || errors.Is(err, net.ErrClosed), "%v", err)
		}
		require.Equal(t, errBroken, sink.Err())
		require.NoError(t, w.Close())
	})
}

func TestToWriterAllocatesNothingPerValue(t *testing.T) {
	sink, ctx, p := chanio.ToWriter(io.Discard), t.Context(), make([]byte, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = sink.Send(ctx, p) }))
}
