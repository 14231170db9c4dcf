package codec_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
)

// counted counts its Decodes.
type counted[T any] struct {
	codec.Codec[T]
	calls *int
}

func (c counted[T]) Decode(r *codec.Reader) (T, error) {
	*c.calls++
	return c.Codec.Decode(r)
}

// TestBytesThatComeLateCostLinearWork passes nested and repeated frames one byte at a time and counts the work: each
// part is decoded once, the source is asked once for each byte, and no byte is searched twice.
func TestBytesThatComeLateCostLinearWork(t *testing.T) {
	for _, n := range []int{100, 1000} {
		inner, words, outer := 0, 0, 0
		word := codec.Codec[string](counted[string]{codec.Delimited(codec.RawString, "--", codec.Or("-")), &words})
		list := codec.Codec[[]string](counted[[]string]{codec.Repeated(codec.Uint16, word), &inner})
		frame := codec.Codec[[]string](counted[[]string]{codec.Prefixed(codec.Uint32, list), &outer})
		value := make([]string, n)
		for i := range value {
			value[i] = "some word"
		}
		p, err := codec.Marshal(frame, value)
		require.NoError(t, err)
		m := &memory{all: p, step: 1, once: true}
		got, err := codec.Decode(m.source(), frame).Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, value, got)
		require.Equal(t, []int{1, 1, n}, []int{outer, inner, words})
		require.Equal(t, len(p), m.fills)
	}
}

// TestRecordsInNestedFramesThatComeLateAreDecodedOnce has records in frames within frames within a frame.
func TestRecordsInNestedFramesThatComeLateAreDecodedOnce(t *testing.T) {
	for _, n := range []int{1, 10, 100} {
		records, groups, outer := 0, 0, 0
		record := codec.Codec[trade](counted[trade]{tradeCodec, &records})
		group := codec.Codec[[]trade](counted[[]trade]{codec.Prefixed(codec.Uint16, codec.Repeated(codec.Uint8, record)), &groups})
		frame := codec.Codec[[][]trade](counted[[][]trade]{codec.Prefixed(codec.Uint32, codec.ToEnd(group)), &outer})
		value := make([][]trade, n)
		for i := range value {
			value[i] = []trade{aTrade, {}, aTrade}
		}
		p, err := codec.Marshal(frame, value)
		require.NoError(t, err)
		m := &memory{all: p, step: 1, once: true}
		got, err := codec.Decode(m.source(), frame).Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, value, got)
		require.Equal(t, []int{1, n, 3 * n}, []int{outer, groups, records})
		require.Equal(t, len(p), m.fills)
	}
}

// TestTheQuickWayIsTriedOnceForAFrame has a body that counts its decodes, by the fast path too.
func TestTheQuickWayIsTriedOnceForAFrame(t *testing.T) {
	tries := 0
	body := codec.Map(codec.Uint32, func(n uint32) (uint32, error) { tries++; return n, nil }, func(n uint32) (uint32, error) { return n, nil })
	frame := codec.Prefixed(codec.Uint16, body)
	for _, step := range []int{1, 2, 100} {
		tries = 0
		p, err := codec.Marshal(frame, 7)
		require.NoError(t, err)
		m := &memory{all: bytes.Repeat(p, 50), step: step, once: true}
		in := codec.Decode(m.source(), frame)
		for range 50 {
			v, err := in.Recv(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 7, v)
		}
		require.Equal(t, 50, tries, step)
	}
}

// TestChunksThatComeLateAreMovedALinearNumberOfTimes has a stream without a buffer of its own, so that chunks are
// gathered.
func TestChunksThatComeLateAreMovedALinearNumberOfTimes(t *testing.T) {
	perByte := func(size int) float64 {
		frame, err := codec.Marshal(text, string(bytes.Repeat([]byte("x"), size)))
		require.NoError(t, err)
		allocs := testing.AllocsPerRun(3, func() {
			src := codec.NewDecoder(&oneByOne{frame}, text)
			_, err := src.Decode()
			require.NoError(t, err)
		})
		return allocs
	}
	// The window doubles: ten times the bytes cause a few more allocations, not ten times as many.
	require.Less(t, perByte(100_000)-perByte(10_000), 12.0)
}

// oneByOne is an io.Reader of one byte at a time.
type oneByOne struct{ rest []byte }

func (o *oneByOne) Read(p []byte) (int, error) {
	n := copy(p[:1], o.rest)
	o.rest = o.rest[n:]
	return n, nil
}
