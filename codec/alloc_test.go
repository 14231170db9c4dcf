package codec_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// memory is a ByteSource over a slice that it repeats, at most step bytes at a time, and a ByteSink that discards. It
// counts the calls that ask for more.
type memory struct {
	all   []byte
	r, w  int
	step  int
	out   []byte
	fills int // that brought bytes
	once  bool
	chunk []byte
}

func (m *memory) Buffered() []byte { return m.all[m.r:m.w] }

func (m *memory) Fill(context.Context, int) error {
	if m.w == len(m.all) && m.r == m.w && !m.once {
		m.r, m.w = 0, 0
	}
	if m.w == len(m.all) {
		return io.EOF
	}
	m.w = min(m.w+m.step, len(m.all))
	m.fills++
	return nil
}

func (m *memory) Discard(n int) { m.r += n }

func (m *memory) Read(_ context.Context, p []byte) (int, error) {
	if m.r == m.w {
		if err := m.Fill(context.Background(), len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.all[m.r:m.w])
	m.r += n
	return n, nil
}

func (m *memory) Clone(p []byte) []byte {
	if len(p) > 1024 {
		return bytes.Clone(p)
	}
	if len(p) > len(m.chunk) {
		m.chunk = make([]byte, 4096)
	}
	c := m.chunk[:len(p):len(p)]
	m.chunk = m.chunk[len(p):]
	copy(c, p)
	return c
}

func (m *memory) Begin() []byte { return m.out[:0] }

func (m *memory) End(_ context.Context, scratch, _ []byte) error {
	m.out = scratch
	return nil
}

func (m *memory) TryEnd(scratch, _ []byte) (bool, error) {
	m.out = scratch
	return true, nil
}

func (m *memory) source() *chanio.Source[[]byte] {
	return chanio.NewSource(chanio.SourceHooks[[]byte]{
		Next:  func(context.Context) ([]byte, error) { return nil, io.EOF },
		Bytes: m,
	})
}

func (m *memory) sink() *chanio.Sink[[]byte] {
	return chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send:  func(context.Context, []byte) error { return nil },
		Bytes: m,
	})
}

// allocs returns the allocations of one receive and one send of v, at any chunking.
func allocs[T any](t *testing.T, c codec.Codec[T], v T) float64 {
	t.Helper()
	frame, err := codec.Marshal(c, v)
	require.NoError(t, err)
	worst := 0.0
	for _, step := range []int{1 << 20, 3} {
		m := &memory{all: bytes.Repeat(frame, 64), step: step}
		in, out := codec.Decode(m.source(), c), codec.Encode(m.sink(), c)
		ctx := t.Context()
		worst = max(worst, testing.AllocsPerRun(640, func() {
			v, err := in.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Send(ctx, v); err != nil {
				t.Fatal(err)
			}
		}))
	}
	return worst
}

func TestTypedFramesAllocateNothing(t *testing.T) {
	require.Zero(t, allocs(t, codec.Uint32, 7))
	require.Zero(t, allocs(t, codec.Prefixed(codec.Uint32, codec.Int64), 7))
	require.Zero(t, allocs(t, codec.Prefixed(codec.Uint16, codec.Float64LE), 7))
	require.Zero(t, allocs(t, codec.Prefixed(codec.Uint32, codec.Borrowed), make([]byte, 64)))
}

func TestFramesOfBytesAllocateOnceAtMost(t *testing.T) {
	// AllocsPerRun rounds down: an arena is shared by 48 of these.
	require.Zero(t, allocs(t, codec.Prefixed(codec.Uint32, codec.Bytes), make([]byte, 64)))
	require.Zero(t, allocs(t, codec.Prefixed(codec.Uint32, codec.String), "hello"))
	require.Zero(t, allocs(t, codec.Lines, "hello"))
}

// TestBytesThatComeLateAreNotParsedAgain passes a long line one byte at a time.
func TestBytesThatComeLateAreNotParsedAgain(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 10_000)
	line := append(bytes.Clone(long), '\n')
	m := &memory{all: line, step: 1, once: true}
	counting := &lookCounter{}
	v, err := codec.Decode(m.source(), codec.Codec[string](counting)).Recv(t.Context())
	require.NoError(t, err)
	require.Len(t, v, 10_000)
	require.Equal(t, 1, counting.calls, "one Decode, however late the bytes come")
}

// lookCounter counts its Decodes.
type lookCounter struct{ calls int }

func (c *lookCounter) Append(dst []byte, v string) ([]byte, error) { return codec.Lines.Append(dst, v) }

func (c *lookCounter) Decode(r *codec.Reader) (string, error) {
	c.calls++
	return codec.Lines.Decode(r)
}

func TestRecvAndSendOfASmallMessageAllocateNothing(t *testing.T) {
	p, err := codec.Marshal(codec.Prefixed(codec.Uint16, codec.Uint32), 7)
	require.NoError(t, err)
	m := &memory{all: bytes.Repeat(p, 100), step: 100}
	src := m.source()
	c := codec.Prefixed(codec.Uint16, codec.Uint32)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if v, err := codec.Recv(ctx, src, c); err != nil || v != 7 {
			t.Fatal(v, err)
		}
	}))
	sink := chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(context.Context, []byte) error { return nil }, Bytes: m})
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := codec.Send(ctx, sink, c, 7); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestValuesAtHandCrossInBatchesWithoutAllocation(t *testing.T) {
	c := codec.Prefixed(codec.Uint16, codec.Uint32)
	p, err := codec.Marshal(c, 7)
	require.NoError(t, err)
	m := &memory{all: bytes.Repeat(p, 64), step: 6 * 64, once: true}
	up := codec.Decode(m.source(), c).Claim("test")
	v, err := up.Next(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 7, v)
	batch := make([]uint32, 0, 40)
	require.Zero(t, testing.AllocsPerRun(1, func() { batch = up.AtHand(batch[:0]) }))
	require.Len(t, batch, 63-40, "two batches")
	require.Len(t, m.Buffered(), 6*23, "those of the last batch count as at hand")
	_, ok, err := up.TryNext()
	require.False(t, ok)
	require.NoError(t, err)
	require.Empty(t, m.Buffered())
}
