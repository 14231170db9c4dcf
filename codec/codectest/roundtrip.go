package codectest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// maxCuts limits the indexes at which long frames are cut: all near the start and the end, and some between.
const maxCuts = 200

// RoundTrip encodes each value and checks that it is decoded unchanged, in chunks of any size:
//
//   - whole, and twice in a row, from a slice and from a stream;
//   - byte by byte, and in two parts, cut at every index;
//   - truncated at every index: the error is a *codec.Error that matches io.ErrUnexpectedEOF, unless the shorter frame is
//     also valid, as it is for an open-ended codec;
//   - with its Recv cancelled at every index: the next Recv returns it.
//
// It also checks that Append keeps what dst holds, that the Size of the codec is true, and that AppendHead of a
// [codec.BodyCodec] encodes the same value.
//
// Values are compared as require.Equal does, so a slice of no values must be empty rather than nil in a value whose
// codec decodes it to an empty one.
func RoundTrip[T any](t testing.TB, c codec.Codec[T], values ...T) {
	t.Helper()
	for i, v := range values {
		p, err := codec.Marshal(c, v)
		require.NoError(t, err, "encode value %d: %v", i, v)
		encodes(t, c, p, v)
		Decodes(t, c, p, v)
	}
}

// encodes checks what the encoders of c promise for v, one encoding of which is p.
func encodes[T any](t testing.TB, c codec.Codec[T], p []byte, v T) {
	t.Helper()
	size := codec.SizeOf(c)
	require.True(t, size.Min <= len(p) && len(p) <= size.Max, "encode %v: %d bytes, but Size is %d to %d", v, len(p), size.Min, size.Max)
	const before = "before"
	after := func(frame []byte, err error) {
		t.Helper()
		require.NoError(t, err, "encode %v after other bytes", v)
		require.True(t, bytes.HasPrefix(frame, []byte(before)), "encode %v: dst was not kept: %x", v, frame)
		got, err := codec.Unmarshal(c, frame[len(before):])
		require.NoError(t, err, "decode %x", frame[len(before):])
		require.Equal(t, v, got, "decode %x", frame[len(before):])
	}
	after(c.Append([]byte(before), v))
	after(c.Append(append(make([]byte, 0, len(before)+2*len(p)), before...), v))
	if b, ok := c.(codec.BodyCodec[T]); ok {
		head, body, err := b.AppendHead([]byte(before), v)
		after(append(head, body...), err)
	}
}

// Decodes performs the checks of [RoundTrip] on one frame p, which must decode to v. It does not encode v.
func Decodes[T any](t testing.TB, c codec.Codec[T], p []byte, v T) {
	t.Helper()
	got, err := codec.Unmarshal(c, p)
	require.NoError(t, err, "decode %x", p)
	require.Equal(t, v, got, "decode %x", p)
	Stream(t, c, [][]byte{p}, v)
	Stream(t, c, bytewise(p), v)
	for _, at := range cuts(len(p)) {
		Stream(t, c, [][]byte{p[:at], p[at:]}, v)
		truncated(t, c, p[:at])
		cancelled(t, c, p, at, v)
	}
	if !codec.SizeOf(c).Open {
		twice := append(append([]byte(nil), p...), p...)
		all, err := codec.UnmarshalAll(c, twice)
		require.NoError(t, err, "decode twice %x", p)
		require.Equal(t, []T{v, v}, all, "decode twice %x", p)
		Stream(t, c, [][]byte{twice}, v, v)
		Stream(t, c, bytewise(twice), v, v)
	}
}

// Vector checks that v is encoded as the bytes of hex, see [Hex], and performs the checks of [RoundTrip] on them.
func Vector[T any](t testing.TB, c codec.Codec[T], hex string, v T) {
	t.Helper()
	want := Hex(t, hex)
	got, err := codec.Marshal(c, v)
	require.NoError(t, err, "encode %v", v)
	require.Equal(t, fmt.Sprintf("%x", want), fmt.Sprintf("%x", got), "encode %v", v)
	encodes(t, c, want, v)
	Decodes(t, c, want, v)
}

// Stream checks that a stream of the chunks yields exactly the values and then ends cleanly.
func Stream[T any](t testing.TB, c codec.Codec[T], chunks [][]byte, values ...T) {
	t.Helper()
	src := codec.Decode(Chunks(chunks...), c)
	for i, want := range values {
		got, err := src.Recv(context.Background())
		require.NoError(t, err, "value %d of chunks %x", i, chunks)
		require.Equal(t, want, got, "value %d of chunks %x", i, chunks)
	}
	_, err := src.Recv(context.Background())
	require.Equal(t, io.EOF, err, "the end of chunks %x", chunks)
}

// Chunks returns a Source of copies of the chunks. It omits empty chunks, because no endpoint yields them.
func Chunks(chunks ...[]byte) *chanio.Source[[]byte] {
	return chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(context.Context) ([]byte, error) {
		for len(chunks) > 0 {
			chunk := chunks[0]
			chunks = chunks[1:]
			if len(chunk) > 0 {
				return append([]byte(nil), chunk...), nil
			}
		}
		return nil, io.EOF
	}})
}

// truncated checks that a truncated frame is reported as such.
func truncated[T any](t testing.TB, c codec.Codec[T], p []byte) {
	t.Helper()
	if _, err := codec.Unmarshal(c, p); err == nil || len(p) == 0 {
		return
	}
	src := codec.Decode(Chunks(p), c)
	for {
		_, err := src.Recv(context.Background())
		if err == nil {
			continue
		}
		var wrong *codec.Error
		require.ErrorAs(t, err, &wrong, "truncated %x", p)
		require.LessOrEqual(t, wrong.Offset, int64(len(p)), "truncated %x", p)
		if !codec.SizeOf(c).Open {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "truncated %x", p)
		}
		return
	}
}

// cancelled checks that a Recv whose ctx ends within a frame takes nothing.
func cancelled[T any](t testing.TB, c codec.Codec[T], p []byte, at int, v T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	step := 0
	src := codec.Decode(chanio.NewSource(chanio.SourceHooks[[]byte]{Next: func(now context.Context) ([]byte, error) {
		step++
		switch {
		case step == 1 && at > 0:
			return append([]byte(nil), p[:at]...), nil
		case now == ctx:
			cancel()
			return nil, now.Err()
		case at < len(p):
			rest := append([]byte(nil), p[at:]...)
			at = len(p)
			return rest, nil
		}
		return nil, io.EOF
	}}), c)
	_, err := src.Recv(ctx)
	if err == nil {
		return // what came first was a whole frame
	}
	require.ErrorIs(t, err, context.Canceled)
	got, err := src.Recv(context.Background())
	require.NoError(t, err, "after a cancelled Recv at %d of %x", at, p)
	require.Equal(t, v, got, "after a cancelled Recv at %d of %x", at, p)
}

// Refuses checks that v cannot be encoded, and that the error is a *codec.Error that matches target.
func Refuses[T any](t testing.TB, c codec.Codec[T], v T, target error) {
	t.Helper()
	_, err := codec.Marshal(c, v)
	require.ErrorIs(t, err, target, "encode %v", v)
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong, "encode %v", v)
}

// Rejects checks that the bytes of hex, see [Hex], cannot be decoded, from a slice or from a stream, and that both errors
// match target and are a *codec.Error for the byte at offset. Valid frames may precede the invalid one.
func Rejects[T any](t testing.TB, c codec.Codec[T], hex string, target error, offset int64) {
	t.Helper()
	p := Hex(t, hex)
	_, err := codec.UnmarshalAll(c, p)
	if err == nil {
		_, err = codec.Unmarshal(c, p)
	}
	rejected(t, err, p, target, offset)
	src := codec.Decode(Chunks(bytewise(p)...), c)
	for err = nil; err == nil; {
		_, err = src.Recv(context.Background())
	}
	if errors.Is(target, codec.ErrTrailingData) && err == io.EOF {
		return // in a stream the rest is another frame
	}
	rejected(t, err, p, target, offset)
}

func rejected(t testing.TB, err error, p []byte, target error, offset int64) {
	t.Helper()
	require.ErrorIs(t, err, target, "decode %x", p)
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong, "decode %x", p)
	require.Equal(t, offset, wrong.Offset, "decode %x: %v", p, err)
}

func bytewise(p []byte) [][]byte {
	chunks := make([][]byte, 0, len(p))
	for i := range p {
		chunks = append(chunks, p[i:i+1])
	}
	return chunks
}

// cuts returns the indexes at which to cut n bytes.
func cuts(n int) []int {
	step := max(1, n/maxCuts)
	var at []int
	for i := 0; i <= n; i += step {
		at = append(at, i)
	}
	return append(at, n)
}
