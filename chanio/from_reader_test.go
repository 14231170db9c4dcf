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
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/internal/memconn"
)

// TestConformanceOfFromReader runs the suite on a reader that has deadlines.
func TestConformanceOfFromReader(t *testing.T) {
	chaniotest.TestStream(t, chaniotest.Streams[[]byte]{
		Connect: func(testing.TB) (*chanio.Sink[[]byte], *chanio.Source[[]byte]) {
			a, b := memconn.Pipe(0)
			return chanio.NewConn(a, nil).Out, kibibytes(chanio.FromReader(b, b.Close))
		},
		Make: func(i int) []byte {
			return bytes.Repeat([]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, 256)
		},
		Number: func(p []byte) int {
			if len(p) != 1024 || !bytes.Equal(p[:512], p[512:]) {
				return -1
			}
			return int(p[0])<<24 | int(p[1])<<16 | int(p[2])<<8 | int(p[3])
		},
		Facts: chaniotest.Facts{Bubble: true},
	})
}

// kibibytes splits a stream of bytes into values of 1024 bytes.
func kibibytes(src *chanio.Source[[]byte]) *chanio.Source[[]byte] {
	up := src.Claim("kibibytes")
	in := up.Bytes()
	return chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next: func(ctx context.Context) ([]byte, error) {
			for len(in.Buffered()) < 1024 {
				if err := in.Fill(ctx, 1024); err != nil {
					return nil, up.Fail(ctx, err)
				}
			}
			p := in.Clone(in.Buffered()[:1024])
			in.Discard(1024)
			return p, nil
		},
		Close: up.Close,
	})
}

func TestG17FromReaderReadsOnlyWhenAsked(t *testing.T) {
	reads := 0
	src := chanio.FromReader(readFunc(func(p []byte) (int, error) {
		reads++
		return copy(p, "some"), nil
	}))
	require.Zero(t, reads)
	require.Equal(t, "some", string(first(t, src)))
	require.Equal(t, 1, reads)
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestG2ContextInterruptsAReaderWithDeadlines(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	src := chanio.FromReader(r, r.Close)
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go cancel(errBroken)
		_, err = src.Recv(ctx)
		require.Equal(t, errBroken, err)
	}
	_, err = w.WriteString("still there")
	require.NoError(t, err)
	require.Equal(t, "still there", string(first(t, src)))
	require.NoError(t, src.Close())
}

func TestG3ClosingFromReaderInterruptsAReaderWithDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memconn.Pipe(0)
		defer a.Close()
		src := chanio.FromReader(b, b.Close)
		res := make(chan error)
		go func() {
			_, err := src.Recv(t.Context())
			res <- err
		}()
		synctest.Wait()
		require.NoError(t, src.Close())
		require.Equal(t, net.ErrClosed, <-res)
		_, err := b.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed, "the closer was called")
	})
}

func TestFromReaderLeavesAReaderWithoutDeadlinesToItsClosers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		src := chanio.FromReader(r, r.Close)
		res := make(chan error)
		go func() {
			_, err := src.Recv(t.Context())
			res <- err
		}()
		synctest.Wait()
		require.NoError(t, src.Close())
		require.Equal(t, net.ErrClosed, <-res)
		_, err := w.Write([]byte("x"))
		require.Equal(t, io.ErrClosedPipe, err)
	})
}

func TestFromReaderCallsItsClosersOnce(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"end":     strings.NewReader(""),
		"failure": iotest.ErrReader(errBroken),
	} {
		calls := 0
		src := chanio.FromReader(r, func() error { calls++; return nil })
		_, err := src.Recv(t.Context())
		require.Error(t, err, name)
		require.NoError(t, src.Close(), name)
		require.Equal(t, 1, calls, name)
	}
	src := chanio.FromReader(strings.NewReader("x"), func() error { return errBroken })
	require.ErrorIs(t, src.Close(), errBroken)
}

func TestNilClosersAreIgnored(t *testing.T) {
	src := chanio.FromReader(strings.NewReader("x"), nil)
	_, err := src.Recv(t.Context())
	require.NoError(t, err)
	_, err = src.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	require.NoError(t, chanio.ToWriter(io.Discard, nil).Close())
	require.NoError(t, chanio.From(make(chan int), nil).Close())
}

func TestFromReaderGivesUpOnAReaderThatReturnsNothing(t *testing.T) {
	_, err := chanio.FromReader(readFunc(func([]byte) (int, error) { return 0, nil })).Recv(t.Context())
	require.Equal(t, io.ErrNoProgress, err)
}

func TestFromReaderPassesADeadlineOfTheReaderOn(t *testing.T) {
	_, err := chanio.FromReader(iotest.TimeoutReader(repeat("x"))).Recv(t.Context())
	require.NoError(t, err)
	_, err = chanio.FromReader(iotest.ErrReader(os.ErrDeadlineExceeded)).Recv(t.Context())
	require.Equal(t, os.ErrDeadlineExceeded, err)
}

func TestG12ChunksOfAReaderAreOwned(t *testing.T) {
	src := chanio.FromReader(iotest.OneByteReader(strings.NewReader("ab")))
	a, b := first(t, src), first(t, src)
	_ = append(a, 'x')
	require.Equal(t, "a", string(a))
	require.Equal(t, "b", string(b))
}

func TestNewReaderPassesTheReaderTest(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	for name, src := range byteSources(text) {
		require.NoError(t, iotest.TestReader(chanio.NewReader(t.Context(), src), []byte(text)), name)
	}
}

func TestNewReaderCopiesToTheEnd(t *testing.T) {
	for name, src := range byteSources("0123456789") {
		var all bytes.Buffer
		n, err := io.Copy(&all, chanio.NewReader(t.Context(), src))
		require.NoError(t, err, name)
		require.EqualValues(t, 10, n, name)
		require.Equal(t, "0123456789", all.String(), name)
	}
}

func TestNewReaderReturnsTheFailureOfItsSource(t *testing.T) {
	src, sink := chanio.PipeOf[[]byte](1)
	sink.Abort(errBroken)
	r := chanio.NewReader(t.Context(), src)
	for range 2 {
		_, err := r.Read(make([]byte, 1))
		require.Equal(t, errBroken, err)
	}
	_, err := r.(io.WriterTo).WriteTo(io.Discard)
	require.Equal(t, errBroken, err)
}

func TestG2EndedContextOfAReaderTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer near.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		r := chanio.NewReader(ctx, far.In)
		res := make(chan error)
		go func() {
			_, err := r.Read(make([]byte, 10))
			res <- err
		}()
		synctest.Wait()
		cancel(errBroken)
		require.Equal(t, errBroken, <-res)
		require.NoError(t, r.Close())
		_, err := r.Read(make([]byte, 10))
		require.Equal(t, net.ErrClosed, err)
		require.NoError(t, far.Close())
	})
}

func TestG8NewReaderAsksOnlyWhenNothingIsLeft(t *testing.T) {
	asked := 0
	src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) ([]byte, error) {
		asked++
		return []byte("four"), nil
	}})
	r := bufio.NewReaderSize(chanio.NewReader(t.Context(), src), 16)
	require.Zero(t, asked)
	for range 4 {
		_, err := r.ReadByte()
		require.NoError(t, err)
	}
	require.Equal(t, 1, asked)
}

func TestReadersAllocateNothing(t *testing.T) {
	ctx := t.Context()
	r := chanio.NewReader(ctx, chanio.FromReader(repeat("0123456789")))
	p := make([]byte, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Read(p) }))
}

func TestNewReaderStopsAtAShortWrite(t *testing.T) {
	r := chanio.NewReader(t.Context(), chanio.FromSlice([][]byte{[]byte("0123")}))
	n, err := r.(io.WriterTo).WriteTo(writeFunc(func(p []byte) (int, error) { return 1, nil }))
	require.EqualValues(t, 1, n)
	require.Equal(t, io.ErrShortWrite, err)
	n, err = r.(io.WriterTo).WriteTo(writeFunc(func(p []byte) (int, error) { return 2, errBroken }))
	require.EqualValues(t, 2, n)
	require.True(t, errors.Is(err, errBroken))
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "3", string(rest))
}

type writeFunc func(p []byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }
