package chanio_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestBytesOfIsNeverNilAndYieldsEveryByte(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	for name, src := range byteSources(text) {
		in := chanio.BytesOf(src)
		require.NotNil(t, in, name)
		var got []byte
		for step := 1; ; step = step%7 + 1 {
			err := in.Fill(t.Context(), step)
			if err != nil {
				require.Equal(t, io.EOF, err, name)
				got = append(got, in.Buffered()...)
				break
			}
			n := min(step, len(in.Buffered()))
			got = append(got, in.Buffered()[:n]...)
			in.Discard(n)
		}
		require.Equal(t, text, string(got), name)
		require.Panics(t, func() { _, _ = src.Recv(t.Context()) }, "%s has an owner", name)
	}
}

// TestG12BytesOfDoesNotWriteBehindAChunk checks that the memory beyond a chunk's length does not change.
func TestG12BytesOfDoesNotWriteBehindAChunk(t *testing.T) {
	whole := []byte("one, two, three")
	in := chanio.BytesOf(chanio.FromSlice([][]byte{whole[:3], []byte("XXXX"), whole[3:6]}))
	for range 3 {
		require.NoError(t, in.Fill(t.Context(), 1))
	}
	require.Equal(t, "oneXXXX, t", string(in.Buffered()))
	_ = append(in.Buffered()[:3], "YY"...) // what the owner of a buffer may do
	require.Equal(t, "one, two, three", string(whole))
}

// TestBufferedStaysUntilTheNextFill checks that discarded bytes stay readable until then.
func TestBufferedStaysUntilTheNextFill(t *testing.T) {
	for name, src := range byteSources("hello, world") {
		in := chanio.BytesOf(src)
		for len(in.Buffered()) < 5 {
			require.NoError(t, in.Fill(t.Context(), 5))
		}
		held := in.Buffered()[:5]
		in.Discard(5)
		_ = in.Clone([]byte("something else"))
		_ = in.Buffered()
		require.Equal(t, "hello", string(held), name)
	}
}

func TestG2ACancelledFillChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		pipe, sink := chanio.PipeOf[[]byte](4)
		for name, c := range map[string]struct {
			src *chanio.Source[[]byte]
			to  *chanio.Sink[[]byte]
		}{"Conn": {far.In, near.Out}, "chunks": {pipe, sink}} {
			require.NoError(t, c.to.Send(t.Context(), []byte("ab")))
			in := chanio.BytesOf(c.src)
			require.NoError(t, in.Fill(t.Context(), 2))
			in.Discard(1)
			ctx, cancel := context.WithCancelCause(t.Context())
			res := make(chan error)
			go func() { res <- in.Fill(ctx, 10) }()
			synctest.Wait()
			cancel(errBroken)
			require.Equal(t, errBroken, <-res, name)
			require.Equal(t, "b", string(in.Buffered()), name)
			require.NoError(t, c.to.Send(t.Context(), []byte("cd")))
			require.NoError(t, in.Fill(t.Context(), 10), name)
			require.Equal(t, "bcd", string(in.Buffered()), name)
			require.NoError(t, c.to.Close())
			require.Equal(t, io.EOF, in.Fill(t.Context(), 10), name)
			require.Equal(t, "bcd", string(in.Buffered()), name)
		}
		near.Out.Abort(nil)
		far.Out.Abort(nil)
	})
}

// TestWhatIsLeftInAViewOfChunksIsReceivedNext checks the bytes that an owner did not discard.
func TestWhatIsLeftInAViewOfChunksIsReceivedNext(t *testing.T) {
	for name, hook := range map[string]chanio.ByteSource{"chunks": nil, "a put-back value before the bytes of an endpoint": noBytes{}} {
		values := chanio.FromSlice([][]byte{[]byte("three"), []byte("four")})
		src := chanio.NewSource(chanio.SourceHooks[[]byte]{Next: values.Recv, Bytes: hook})
		up := src.Claim("test")
		up.Unread([]byte("one two "))
		in := up.Bytes()
		require.NoError(t, in.Fill(t.Context(), 1), name)
		in.Discard(4)
		up.Release()
		require.Equal(t, "two ", string(first(t, src)), name)
		require.Equal(t, "three", string(first(t, src)), name)
		require.Equal(t, "four", string(first(t, src)), name)
	}
}

// noBytes is the ByteSource of an endpoint without one.
type noBytes struct{}

func (noBytes) Buffered() []byte                          { return nil }
func (noBytes) Fill(context.Context, int) error           { return io.EOF }
func (noBytes) Discard(int)                               {}
func (noBytes) Read(context.Context, []byte) (int, error) { return 0, io.EOF }
func (noBytes) Clone(p []byte) []byte                     { return bytes.Clone(p) }

func TestBytesOfAnotherTypePanics(t *testing.T) {
	require.PanicsWithValue(t, "chanio: Upstream.Bytes of a Source whose values are not []byte",
		func() { chanio.FromSlice(upTo(1)).Claim("test").Bytes() })
}

func TestBytesToSendsHeadAndBodyAsOneValue(t *testing.T) {
	var written bytes.Buffer
	near, far := chanio.Pipe()
	src, sink := chanio.PipeOf[[]byte](100)
	sinks := map[string]*chanio.Sink[[]byte]{"PipeOf": sink, "Conn": near.Out, "ToWriter": chanio.ToWriter(&written)}
	want := "head:body" + "head only" + "body only" + strings.Repeat("x", 50_000) + "tried"
	for name, sink := range sinks {
		out := chanio.BytesTo(sink)
		require.NotNil(t, out, name)
		body := []byte("body")
		require.NoError(t, out.End(t.Context(), append(out.Begin(), "head:"...), body), name)
		copy(body, "XXXX") // it is the caller's again
		require.NoError(t, out.End(t.Context(), append(out.Begin(), "head only"...), nil), name)
		require.NoError(t, out.End(t.Context(), nil, []byte("body only")), name)
		require.NoError(t, out.End(t.Context(), out.Begin(), bytes.Repeat([]byte("x"), 50_000)), name)
		require.NoError(t, out.End(t.Context(), out.Begin(), nil), "nothing: %s", name)
		ok, err := out.TryEnd(append(out.Begin(), "tri"...), []byte("ed"))
		require.NoError(t, err, name)
		require.True(t, ok, name)
		_ = out.Begin() // scratch that is not handed back does no harm
		require.NoError(t, sink.Close(), name)
		require.Equal(t, net.ErrClosed, out.End(t.Context(), nil, []byte("late")), name)
		ok, err = out.TryEnd(nil, []byte("late"))
		require.False(t, ok, name)
		require.Equal(t, net.ErrClosed, err, name)
	}
	require.Equal(t, want, written.String())
	require.Equal(t, "head:body", string(first(t, src)), "one value")
	for name, src := range map[string]*chanio.Source[[]byte]{"PipeOf": src, "Conn": far.In} {
		got, err := chanio.ReadAll(t.Context(), src, 1<<20)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(want, string(got)), name)
	}
	far.Out.Abort(nil)
}

func TestTryEndWithoutRoomLeavesTheScratchWithItsCaller(t *testing.T) {
	src, sink := chanio.PipeOf[[]byte](1)
	out := chanio.BytesTo(sink)
	require.NoError(t, out.End(t.Context(), nil, []byte("first")))
	scratch := append(out.Begin(), "second"...)
	ok, err := out.TryEnd(scratch, nil)
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, "first", string(first(t, src)))
	ok, err = out.TryEnd(scratch, []byte("!"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "second!", string(first(t, src)))
}

// TestG12WhatAReaderBroughtWithItsEndStays checks that the last values stay valid after the end, while others use the
// buffers.
func TestG12WhatAReaderBroughtWithItsEndStays(t *testing.T) {
	in := chanio.BytesOf(chanio.FromReader(iotest.DataErrReader(strings.NewReader("hello"))))
	require.NoError(t, in.Fill(t.Context(), 1))
	held := in.Buffered()
	in.Discard(len(held))
	for range 64 {
		_, err := chanio.FromReader(strings.NewReader(strings.Repeat("X", 100))).Recv(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, "hello", string(held))
	require.Equal(t, io.EOF, in.Fill(t.Context(), 1))
}

// TestWhatIsPutBackComesBeforeWhatAViewOfChunksHolds puts back bytes of a chunk whose rest is still in the view.
func TestWhatIsPutBackComesBeforeWhatAViewOfChunksHolds(t *testing.T) {
	for name, receive := range map[string]func(up chanio.Upstream[[]byte]) string{
		"Next": func(up chanio.Upstream[[]byte]) string {
			p, err := up.Next(t.Context())
			require.NoError(t, err)
			return string(p)
		},
		"Bytes": func(up chanio.Upstream[[]byte]) string {
			in := up.Bytes()
			if len(in.Buffered()) == 0 {
				require.NoError(t, in.Fill(t.Context(), 1))
			}
			p := string(in.Buffered()[:2])
			in.Discard(2)
			return p
		},
		"AtHand": func(up chanio.Upstream[[]byte]) string {
			if got := up.AtHand(make([][]byte, 0, 1)); len(got) > 0 {
				return string(got[0])
			}
			p, _, err := up.TryNext()
			require.NoError(t, err)
			return string(p)
		},
	} {
		up := chanio.FromSlice([][]byte{[]byte("abcdefgh"), []byte("ij")}).Claim("a test")
		in := up.Bytes()
		require.NoError(t, in.Fill(t.Context(), 1))
		in.Discard(4)
		up.Unread([]byte("cd"))
		up.Unread([]byte("ab"))
		got := ""
		for len(got) < 10 {
			got += receive(up)
		}
		require.Equal(t, "abcdefghij", got, name)
	}
}

// TestWhatSeveralChunksPutBackYieldKeepsTheirOrder takes a part of the first of several chunks that were put back.
func TestWhatSeveralChunksPutBackYieldKeepsTheirOrder(t *testing.T) {
	src := chanio.FromSlice([][]byte{[]byte("ab"), []byte("cd"), []byte("ef")})
	take := func(n int) string {
		up, err := src.Acquire(t.Context(), "a test")
		require.NoError(t, err)
		defer up.Release()
		in := up.Bytes()
		for len(in.Buffered()) < n {
			require.NoError(t, in.Fill(t.Context(), n))
		}
		p := string(in.Buffered()[:n])
		in.Discard(n)
		return p
	}
	require.Equal(t, "ab", take(2))
	up := src.Claim("a test")
	up.Unread([]byte("b"))
	up.Unread([]byte("_a"))
	up.Release()
	for _, want := range []string{"_", "ab", "cde", "f"} {
		require.Equal(t, want, take(len(want)))
	}
}

// TestACancelledCallKeepsWhatCameBeforeAnEndThatIsKnown fills a buffer up to the end of the stream.
func TestACancelledCallKeepsWhatCameBeforeAnEndThatIsKnown(t *testing.T) {
	near, far := chanio.Pipe()
	defer near.Close()
	defer far.Close()
	require.NoError(t, far.Out.Send(t.Context(), []byte("abc")))
	require.NoError(t, far.Out.Close())
	up, err := near.In.Acquire(t.Context(), "a test")
	require.NoError(t, err)
	in := up.Bytes()
	for err == nil {
		err = in.Fill(t.Context(), 10)
	}
	require.Equal(t, io.EOF, err)
	up.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = near.In.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	p, err := near.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "abc", string(p))
	_, err = near.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
}

func TestBytesThatAViewHeldAreDroppedByClose(t *testing.T) {
	src := chanio.FromSlice([][]byte{[]byte("abcdef")})
	up, err := src.Acquire(t.Context(), "a test")
	require.NoError(t, err)
	in := up.Bytes()
	require.NoError(t, in.Fill(t.Context(), 1))
	in.Discard(3)
	up.Unread([]byte("c"))
	up.Release()
	require.NoError(t, src.Close())
	p, err := chanio.ReadAll(t.Context(), src, 10)
	require.Empty(t, p)
	require.ErrorIs(t, err, net.ErrClosed)
}
