package codec_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// A peer that sends only ends of frames makes the receiver keep no more than the limit.
func TestEmptyFramesBeforeOneAreSkippedUpToALimit(t *testing.T) {
	for name, c := range map[string]codec.Codec[[]byte]{
		"SLIP": codec.SLIP(codec.Bytes, codec.Max(100)), "COBS": codec.COBS(codec.Bytes, codec.Max(100)),
	} {
		frame, err := codec.Marshal(c, []byte{1})
		require.NoError(t, err)
		end := frame[len(frame)-1:]
		v, err := codec.Unmarshal(c, append(bytes.Repeat(end, 100), frame...))
		require.NoError(t, err, name)
		require.Equal(t, []byte{1}, v, name)
		_, err = codec.Unmarshal(c, append(bytes.Repeat(end, 101), frame...))
		require.ErrorIs(t, err, codec.ErrTooLarge, name)
		_, err = codec.Unmarshal(c, end)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)

		sent := 0
		endless := chanio.FromSeq(func(yield func([]byte) bool) {
			for yield(bytes.Repeat(end, 64)) {
				sent++
			}
		})
		_, err = codec.Decode(endless, c).Recv(t.Context())
		require.ErrorIs(t, err, codec.ErrTooLarge, name)
		require.Less(t, sent, 10, name)
	}
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
		chunk, err := codec.Marshal(c, []byte{7, 7})
		require.NoError(t, err)
		in := &remembering{next: bytes.Clone(chunk)}
		v, err := codec.Recv(t.Context(), chanio.FromSlice([][]byte{chunk}), c)
		require.NoError(t, err)
		clear(chunk) // as a buffer that is used again
		require.Equal(t, []byte{7, 7}, v, "Recv, %s", name)
		v, err = codec.NewDecoder(in, c).Decode()
		require.NoError(t, err)
		clear(in.into)
		require.Equal(t, []byte{7, 7}, v, "Decoder, %s", name)
	}
	src := codec.Decode(chanio.FromSlice([][]byte{{1, 7}}), lent)
	require.Panics(t, func() { src.C(t.Context()) }, "one that says so is refused")
}

// remembering is an io.Reader that knows the memory into which it has read.
type remembering struct{ next, into []byte }

func (r *remembering) Read(p []byte) (int, error) {
	r.into = p[:copy(p, r.next)]
	r.next = r.next[len(r.into):]
	if len(r.into) == 0 {
		return 0, io.EOF
	}
	return len(r.into), nil
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

// Values that are short enough may start with the end of the list only together with those after them.
func TestUntilRejectsValuesThatTogetherStartWithItsEnd(t *testing.T) {
	c := codec.Until("\r\n", codec.Uint8)
	codectest.Refuses(t, c, []uint8{'\r', '\n'}, codec.ErrMalformed)
	codectest.Refuses(t, c, []uint8{'a', '\r', '\n', 'b'}, codec.ErrMalformed)
	_, err := codec.Marshal(c, []uint8{'a', '\r', '\n', 'b'})
	require.ErrorContains(t, err, "[1]")
	codectest.RoundTrip(t, c, []uint8{'\r'}, []uint8{'\n', '\r'}, []uint8{'\r', '\r', 'a', '\n'})
	three := codec.Until("aba", codec.Lines.With(codec.CRLF()))
	codectest.RoundTrip(t, three, []string{"ab", "ab"}, []string{"b"}, []string{})
	zeros := codec.Until("\x00\x00", codec.Uint8)
	codectest.RoundTrip(t, zeros, []uint8{1, 0, 1})
	codectest.Refuses(t, zeros, []uint8{1, 0}, codec.ErrMalformed)
}

// Whether a value is open-ended is known through an Array of one.
func TestAnArrayOfOneSaysWhetherItsValueIsOpenEnded(t *testing.T) {
	header := codec.Header(codec.Uint8, func(uint8) codec.Codec[string] { return codec.String }, func(string) uint8 { return 1 })
	one := codec.Array(1, header)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, one), []string{"ab"})
	codectest.Refuses(t, codec.PairOf(one, codec.Uint8), codec.Pair[[]string, uint8]{First: []string{"ab"}}, codec.ErrMalformed)
	codectest.Refuses(t, codec.PairOf(codec.Array(2, header), codec.Uint8), codec.Pair[[]string, uint8]{First: []string{"a", "b"}}, codec.ErrMalformed)
}

// A Limit is no frame: what takes the rest takes that of the stream, of at most so many bytes, and reports the same in a
// frame and in the stream.
func TestALimitIsNoFrame(t *testing.T) {
	header := codec.Header(codec.Uint8, func(uint8) codec.Codec[string] { return codec.String }, func(string) uint8 { return 1 })
	for name, c := range map[string]codec.Codec[string]{"Header": header, "Limit": codec.Limit(100, header), "JSON": codec.JSON[string]()} {
		c = codec.Limit(5, c)
		for _, text := range []string{`"abcde`, `"abc`, `"abcdefghi"`, `"abc"`, "\x01abcd", "\x01abcde", "\x01abcdef", "\x01"} {
			whole, wholeErr := codec.Unmarshal(c, []byte(text))
			require.Equal(t, len(text) > 5, errors.Is(wholeErr, codec.ErrTooLarge), "%s %q: %v", name, text, wholeErr)
			slow, slowErr := codec.NewDecoder(iotest.OneByteReader(strings.NewReader(text)), c).Decode()
			require.Equal(t, whole, slow, "%s %q", name, text)
			require.Equal(t, placeOfError(wholeErr), placeOfError(slowErr), "%s %q", name, text)
			framed, framedErr := codec.Unmarshal(codec.Exactly(len(text), c), []byte(text))
			require.Equal(t, whole, framed, "%s %q", name, text)
			require.Equal(t, placeOfError(wholeErr), placeOfError(framedErr), "%s %q", name, text)
		}
	}
}

func placeOfError(err error) any {
	var e *codec.Error
	if !errors.As(err, &e) {
		return err
	}
	return []any{e.Offset, errors.Is(err, codec.ErrTooLarge), errors.Is(err, codec.ErrMalformed), errors.Is(err, io.ErrUnexpectedEOF)}
}

// A second JSON text is the same error, at the same byte, whatever the options.
func TestASecondJSONTextIsFoundWhereItStarts(t *testing.T) {
	type v struct{ A int }
	for _, c := range []codec.Codec[v]{codec.JSON[v](), codec.JSON[v](codec.KnownFieldsOnly())} {
		for _, text := range []string{`{"A":1} x`, `{"A":1} {"A":2}`, `{"A":1} }`} {
			_, err := codec.Unmarshal(c, []byte(text))
			require.ErrorIs(t, err, codec.ErrTrailingData)
			require.ErrorIs(t, err, codec.ErrMalformed)
			require.ErrorContains(t, err, "at byte 8")
		}
	}
}
