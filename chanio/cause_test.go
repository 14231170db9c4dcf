package chanio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// manyErrors is an error that cannot be compared, such as validation libraries return.
type manyErrors []error

func (m manyErrors) Error() string { return fmt.Sprint([]error(m)) }

// wrapsMany wraps an error that cannot be compared; its own type can be.
type wrapsMany struct{ error }

// oddCauses are causes of a ctx that could be mistaken for something else, and the errors that callers get.
func oddCauses() map[string][2]error {
	wrapped := fmt.Errorf("reading the request: %w", io.EOF)
	closed := fmt.Errorf("dialing: %w", net.ErrClosed)
	many := manyErrors{io.EOF, io.ErrUnexpectedEOF}
	return map[string][2]error{
		"io.EOF":                          {io.EOF, context.Canceled},
		"a wrapped io.EOF":                {wrapped, context.Canceled},
		"net.ErrClosed":                   {net.ErrClosed, context.Canceled},
		"a wrapped net.ErrClosed":         {closed, context.Canceled},
		"an uncomparable error":           {many, many},
		"an error around an uncomparable": {wrapsMany{many}, wrapsMany{many}},
	}
}

// cancelled returns a ctx that cause has ended.
func cancelled(t *testing.T, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	return ctx
}

func TestG15CauseIsNeverTheEndOfAStream(t *testing.T) {
	for name, c := range oddCauses() {
		ctx := cancelled(t, c[0])
		require.Equal(t, c[1], chanio.Cause(ctx), name)
		require.True(t, chanio.Resumable(ctx, chanio.Cause(ctx)), name)
		require.True(t, chanio.Resumable(ctx, ctx.Err()), name)
		require.False(t, chanio.Resumable(ctx, io.EOF), name)
		require.False(t, chanio.Resumable(t.Context(), c[0]), name)
		require.False(t, chanio.Resumable(ctx, errBroken), name)
		require.NoError(t, chanio.Cause(t.Context()))
	}
}

// bareNext is a Next that returns the unchanged cause of ctx.
func bareNext(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

func TestG15AnOddCauseEndsTheCallOfASource(t *testing.T) {
	for name, c := range oddCauses() {
		ctx, want := cancelled(t, c[0]), c[1]
		pipe, _ := chanio.PipeOf[int](1)
		sources := map[string]*chanio.Source[int]{
			"FromSlice": chanio.FromSlice(upTo(3)),
			"From":      chanio.From(make(chan int)),
			"FromSeq":   chanio.FromSeq(func(func(int) bool) {}),
			"PipeOf":    pipe,
		}
		if c[0] != io.EOF && c[0] != net.ErrClosed {
			sources["a Next that knows no Cause"] = chanio.NewSource(chanio.SourceHooks[int]{Next: bareNext})
		}
		for kind, src := range sources {
			_, err := src.Recv(ctx)
			require.Equal(t, want, err, "Recv, %s, %s", kind, name)
			for range src.All(ctx) {
				t.Error("a value")
			}
			require.Equal(t, want, src.Err(), "All, %s, %s", kind, name)
			for _, err := range src.Values(ctx) {
				require.Equal(t, want, err, "Values, %s, %s", kind, name)
			}
			for range src.C(ctx) {
				t.Error("a value")
			}
			require.Equal(t, want, src.Err(), "C, %s, %s", kind, name)
			require.False(t, isClosed(src.Done()), "%s, %s", kind, name)
			require.NoError(t, src.Close())
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestG15AnOddCauseEndsTheCallOfAByteAdapter(t *testing.T) {
	for name, c := range oddCauses() {
		ctx, want := cancelled(t, c[0]), c[1]
		sources := func() map[string]*chanio.Source[[]byte] {
			pipe, _ := chanio.PipeOf[[]byte](1)
			near, far := chanio.Pipe()
			t.Cleanup(func() { near.Out.Abort(nil); far.Out.Abort(nil) })
			return map[string]*chanio.Source[[]byte]{
				"PipeOf": pipe, "Conn": far.In, "FromReader": chanio.FromReader(strings.NewReader("text")),
				"FromSlice": chanio.FromSlice([][]byte{[]byte("text")}),
			}
		}
		for kind, src := range sources() {
			p, err := chanio.ReadAll(ctx, src, 100)
			require.Equal(t, want, err, "ReadAll, %s, %s", kind, name)
			require.Empty(t, p)
			n, err := chanio.Transfer(ctx, src, chanio.ToWriter(io.Discard))
			require.Equal(t, want, err, "Transfer, %s, %s", kind, name)
			require.Zero(t, n)
			require.False(t, isClosed(src.Done()), "%s, %s", kind, name)
			require.NoError(t, src.Close())
		}
		for kind, src := range sources() {
			r := chanio.NewReader(ctx, src)
			for range 2 {
				_, err := r.Read(make([]byte, 10))
				require.Equal(t, want, err, "NewReader, %s, %s", kind, name)
				_, err = io.Copy(io.Discard, r)
				require.Equal(t, want, err, "WriteTo of NewReader, %s, %s", kind, name)
			}
			require.False(t, isClosed(src.Done()), "%s, %s", kind, name)
			require.NoError(t, r.Close())
		}
	}
}

func TestG15AnOddCauseEndsTheCallOfASink(t *testing.T) {
	for name, c := range oddCauses() {
		ctx, want := cancelled(t, c[0]), c[1]
		_, full := chanio.PipeOf[[]byte](0)
		writing, written := make(chan struct{}), make(chan struct{})
		busy := chanio.ToWriter(writeFunc(func(p []byte) (int, error) {
			close(writing)
			<-written
			return len(p), nil
		}))
		go busy.Send(t.Context(), []byte("x"))
		<-writing
		own := chanio.NewSink(chanio.SinkHooks[[]byte]{
			Send:  func(ctx context.Context, _ []byte) error { <-ctx.Done(); return context.Cause(ctx) },
			Flush: func(ctx context.Context) error { return context.Cause(ctx) },
		})
		sinks := map[string]*chanio.Sink[[]byte]{"PipeOf": full, "ToWriter": busy}
		if c[0] != io.EOF && c[0] != net.ErrClosed {
			sinks["a Send that knows no Cause"] = own
			require.Equal(t, want, own.Flush(ctx), name)
		}
		for kind, sink := range sinks {
			require.Equal(t, want, sink.Send(ctx, []byte("y")), "Send, %s, %s", kind, name)
			n, err := sink.SendAll(ctx, []byte("y"), []byte("z"))
			require.Equal(t, want, err, "SendAll, %s, %s", kind, name)
			require.Zero(t, n)
			_, err = chanio.NewWriter(ctx, sink).Write([]byte("y"))
			require.Equal(t, want, err, "NewWriter, %s, %s", kind, name)
			require.Equal(t, want, chanio.BytesTo(sink).End(ctx, nil, []byte("y")), "BytesTo, %s, %s", kind, name)
			require.False(t, isClosed(sink.Done()), "%s, %s", kind, name)
		}
		close(written)
	}
}

// TestG15AnUncomparableCauseOfAnAbortIsToldToBothEnds checks that no code compares the cause.
func TestG15AnUncomparableCauseOfAnAbortIsToldToBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := manyErrors{io.EOF}
		near, far := chanio.Pipe()
		src, sink := chanio.PipeOf[int](0)
		pipe, conn, peer := make(chan error), make(chan error), make(chan error)
		go func() { _, err := src.Recv(t.Context()); pipe <- err }()
		go func() { _, err := near.In.Recv(t.Context()); conn <- err }()
		go func() { _, err := far.In.Recv(t.Context()); peer <- err }()
		synctest.Wait()
		sink.Abort(many)
		near.Out.Abort(many)
		require.Equal(t, many, <-pipe)
		require.Equal(t, many, sink.Send(t.Context(), 1))
		require.Equal(t, many, near.Out.Send(t.Context(), nil))
		require.Error(t, <-conn)
		require.Error(t, <-peer)
		require.Equal(t, many, near.Out.Err())
		far.Out.Abort(nil)
	})
}
