package codec_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// A peer that sends only ENDs makes the receiver keep no more than the limit.
func TestSLIPBoundsTheEmptyFramesBeforeOne(t *testing.T) {
	c := codec.SLIP(codec.Bytes, codec.Max(100))
	v, err := codec.Unmarshal(c, append(bytes.Repeat([]byte{0xc0}, 100), 1, 0xc0))
	require.NoError(t, err)
	require.Equal(t, []byte{1}, v)
	_, err = codec.Unmarshal(c, append(bytes.Repeat([]byte{0xc0}, 101), 1, 0xc0))
	require.ErrorIs(t, err, codec.ErrTooLarge)

	sent := 0
	endless := chanio.FromSeq(func(yield func([]byte) bool) {
		for yield(bytes.Repeat([]byte{0xc0}, 64)) {
			sent++
		}
	})
	_, err = codec.Decode(endless, c).Recv(t.Context())
	require.ErrorIs(t, err, codec.ErrTooLarge)
	require.Less(t, sent, 10)
}

// A body that a Header hides from the Source is not lent, because the Source could not refuse C, Buffer or Tee.
func TestBorrowedBehindAHeaderIsCopied(t *testing.T) {
	lent := codec.Prefixed(codec.Uint8, codec.Borrowed)
	byTag := func(uint8) codec.Codec[[]byte] { return lent }
	for name, c := range map[string]codec.Codec[[]byte]{
		"Header":    codec.Header(codec.Uint8, byTag, func([]byte) uint8 { return 1 }),
		"FirstByte": codec.FirstByte(func(byte) codec.Codec[[]byte] { return lent }, byTagOf(lent)),
		"PairBy": codec.Map(codec.PairBy(codec.Uint8, byTag),
			func(p codec.Pair[uint8, []byte]) ([]byte, error) { return bytes.Clone(p.Second), nil },
			func(p []byte) (codec.Pair[uint8, []byte], error) {
				return codec.Pair[uint8, []byte]{First: 1, Second: p}, nil
			}),
	} {
		var wire []byte
		for i := range 200 {
			var err error
			wire, err = c.Append(wire, []byte{byte(i), byte(i)})
			require.NoError(t, err)
		}
		var all [][]byte
		for v := range codec.Decode(chanio.FromReader(bytes.NewReader(wire)), c).C(t.Context()) {
			all = append(all, v)
		}
		require.Len(t, all, 200, name)
		for i, v := range all {
			require.Equal(t, []byte{byte(i), byte(i)}, v, name)
		}
	}
	src := codec.Decode(chanio.FromSlice([][]byte{{1, 7}}), lent)
	require.Panics(t, func() { src.C(t.Context()) }, "one that says so is refused")
}

func byTagOf(c codec.Codec[[]byte]) func([]byte) codec.Codec[[]byte] {
	return func([]byte) codec.Codec[[]byte] { return c }
}

func TestSizesSaturate(t *testing.T) {
	half := codec.Skip(math.MaxInt/2 + 1)
	twice := codec.SizeOf(codec.PairOf(half, half))
	require.Equal(t, codec.Unbounded, twice.Min)
	require.Equal(t, codec.Unbounded, codec.SizeOf(codec.Between(half, codec.Uint8, half)).Min)
	require.Equal(t, codec.Unbounded, codec.SizeOf(codec.Array(3, half)).Min)
}

func TestCOBSOfRunsAroundItsLimit(t *testing.T) {
	for _, n := range []int{0, 1, 253, 254, 255, 256, 507, 508, 509, 600} {
		for _, zeros := range []string{"", "\x00", "\x00\x00"} {
			full := bytes.Repeat([]byte{7}, n)
			for _, v := range [][]byte{full, append(bytes.Clone(full), zeros...), append([]byte(zeros), full...)} {
				p, err := codec.Marshal(codec.COBS(codec.Bytes), v)
				require.NoError(t, err)
				require.Equal(t, len(p)-1, bytes.IndexByte(p, 0))
				require.LessOrEqual(t, len(p), len(v)+2+len(v)/254)
				back, err := codec.Unmarshal(codec.COBS(codec.Bytes), p)
				require.NoError(t, err)
				require.True(t, bytes.Equal(v, back))
			}
		}
	}
	codectest.Vector(t, codec.COBS(codec.Bytes), "01 00", []byte{})
	codectest.Rejects(t, codec.COBS(codec.Bytes), "00", codec.ErrMalformed, 0)
	codectest.Rejects(t, codec.COBS(codec.Bytes), "05 11 00", codec.ErrMalformed, 0)
}

// The offset of an invalid number in a row is that of its first byte that is wrong or missing.
func TestOffsetsInARowOfNumbers(t *testing.T) {
	type row struct {
		A uint16
		B bool
		C uint32 `wire:"bits=24"`
		D bool
	}
	c := codec.Struct[row]()
	codectest.Rejects(t, c, "0001 02 000001 01", codec.ErrMalformed, 2)
	codectest.Rejects(t, c, "0001 01 000001 02", codec.ErrMalformed, 6)
	_, err := codec.Unmarshal(c, []byte{0, 1, 1, 0, 0})
	require.ErrorContains(t, err, "C at byte 5")
	framed := codec.Prefixed(codec.Uint8, c)
	_, err = codec.Unmarshal(framed, []byte{4, 0, 1, 1, 0, 0, 0, 0})
	require.ErrorContains(t, err, "C at byte 4")
}

// A limit applies to a part that is followed by other bytes.
func TestLimitAroundWhatKeepsASuffix(t *testing.T) {
	c := codec.Limit(3, codec.Suffixed(codec.Bytes, "xy"))
	v, err := codec.Unmarshal(c, []byte("axy"))
	require.NoError(t, err)
	require.Equal(t, []byte("a"), v)
	_, err = codec.Unmarshal(c, []byte("abxy"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
	inner := codec.Suffixed(codec.Limit(2, codec.Bytes), "xy")
	v, err = codec.Unmarshal(inner, []byte("abxy"))
	require.NoError(t, err)
	require.Equal(t, []byte("ab"), v)
	_, err = codec.Unmarshal(inner, []byte("abcxy"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

// The offset of a length that does not fit is its first byte, and nothing wraps around on any platform.
func TestLengthsAtTheTop(t *testing.T) {
	for name, l := range map[string]*codec.Length{
		"u32+4": codec.NewLength(codec.Uint32, codec.Adjust(4), codec.Max(math.MaxInt)),
		"u64+4": codec.NewLength(codec.Uint64, codec.Adjust(4), codec.Max(math.MaxInt)),
		"i64-4": codec.NewLength(codec.Int64, codec.Adjust(-4), codec.Max(math.MaxInt)),
		"least": codec.NewLength(codec.Uint32, codec.Adjust(math.MinInt), codec.Max(math.MaxInt)),
	} {
		for _, n := range []int{-1, 0, 3, 4, l.Max() - 1, l.Max(), math.MaxInt} {
			p, err := l.Append(nil, n)
			if err != nil {
				require.ErrorIs(t, err, codec.ErrTooLarge, name)
				continue
			}
			back, err := l.Decode(codec.NewReader(p))
			require.NoError(t, err, "%s %d", name, n)
			require.Equal(t, n, back, name)
		}
	}
}
