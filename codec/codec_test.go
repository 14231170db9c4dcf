package codec_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestIntegersHaveTheirBytes(t *testing.T) {
	codectest.Vector(t, codec.Uint8, "ff", 255)
	codectest.Vector(t, codec.Uint16, "01 02", 0x0102)
	codectest.Vector(t, codec.Uint16LE, "02 01", 0x0102)
	codectest.Vector(t, codec.Uint24, "01 02 03", 0x010203)
	codectest.Vector(t, codec.Uint24LE, "03 02 01", 0x010203)
	codectest.Vector(t, codec.Uint32, "01 02 03 04", 0x01020304)
	codectest.Vector(t, codec.Uint32LE, "04 03 02 01", 0x01020304)
	codectest.Vector(t, codec.Uint64, "01 02 03 04 05 06 07 08", 0x0102030405060708)
	codectest.Vector(t, codec.Uint64LE, "08 07 06 05 04 03 02 01", 0x0102030405060708)
	codectest.Vector(t, codec.Int8, "80", math.MinInt8)
	codectest.Vector(t, codec.Int16, "ff fe", -2)
	codectest.Vector(t, codec.Int16LE, "fe ff", -2)
	codectest.Vector(t, codec.Int24, "80 00 00", -1<<23)
	codectest.Vector(t, codec.Int24LE, "00 00 80", -1<<23)
	codectest.Vector(t, codec.Int24, "7f ff ff", 1<<23-1)
	codectest.Vector(t, codec.Int32, "ff ff ff fe", -2)
	codectest.Vector(t, codec.Int32LE, "fe ff ff ff", -2)
	codectest.Vector(t, codec.Int64, "ff ff ff ff ff ff ff fe", -2)
	codectest.Vector(t, codec.Int64LE, "fe ff ff ff ff ff ff ff", -2)
	codectest.Vector(t, codec.Float32, "c0 20 00 00", -2.5)
	codectest.Vector(t, codec.Float32LE, "00 00 20 c0", -2.5)
	codectest.Vector(t, codec.Float64, "7f f0 00 00 00 00 00 00", math.Inf(1))
	codectest.Vector(t, codec.Float64LE, "00 00 00 00 00 00 04 c0", -2.5)
}

func TestG14IntegersOf24BitsAreNotCutOff(t *testing.T) {
	codectest.Refuses(t, codec.Uint24, 1<<24, codec.ErrTooLarge)
	codectest.Refuses(t, codec.Uint24LE, math.MaxUint32, codec.ErrTooLarge)
	codectest.Refuses(t, codec.Int24, 1<<23, codec.ErrTooLarge)
	codectest.Refuses(t, codec.Int24LE, -1<<23-1, codec.ErrTooLarge)
}

func TestPrefixedHasItsBytes(t *testing.T) {
	codectest.Vector(t, codec.Prefixed(codec.Uint32, codec.String), "00000005 68656c6c6f", "hello")
	codectest.Vector(t, codec.Prefixed(codec.Uint32, codec.String), "00000000", "")
	codectest.Vector(t, codec.Prefixed(codec.Uint16LE, codec.Bytes), "0300 010203", []byte{1, 2, 3})
	codectest.Vector(t, codec.Prefixed(codec.Uint16, codec.String, codec.Adjust(2)), "0005 616263", "abc")
	codectest.Vector(t, codec.Prefixed(codec.Uint8, codec.Prefixed(codec.Uint8, codec.RawString)), "03 02 fffe", "\xff\xfe")
	codectest.Vector(t, codec.Prefixed(codec.Int8, codec.Uint16), "02 0102", 0x0102)
	codectest.Vector(t, codec.Prefixed(codec.Uint8, codec.JSON[map[string]int]()), "07 7b2261223a317d", map[string]int{"a": 1})
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint32, codec.RawString), strings.Repeat("0123456789abcdef", 5000))
}

func TestG14LengthsAreLimitedBothWays(t *testing.T) {
	small := codec.Prefixed(codec.Uint32, codec.RawString, codec.Max(4))
	codectest.RoundTrip(t, small, "abcd")
	codectest.Refuses(t, small, "abcde", codec.ErrTooLarge)
	codectest.Rejects(t, small, "00000005 6162636465", codec.ErrTooLarge, 0)

	narrow := codec.Prefixed(codec.Uint8, codec.RawString)
	codectest.RoundTrip(t, narrow, strings.Repeat("x", 255))
	codectest.Refuses(t, narrow, strings.Repeat("x", 256), codec.ErrTooLarge)

	signed := codec.Prefixed(codec.Int8, codec.RawString)
	codectest.Refuses(t, signed, strings.Repeat("x", 128), codec.ErrTooLarge)
	codectest.Rejects(t, signed, "ff", codec.ErrMalformed, 0)

	counted := codec.Prefixed(codec.Uint16, codec.RawString, codec.Adjust(2))
	codectest.Rejects(t, counted, "0001", codec.ErrMalformed, 0)
	codectest.RoundTrip(t, counted, strings.Repeat("x", 65533))
	codectest.Refuses(t, counted, strings.Repeat("x", 65534), codec.ErrTooLarge)

	less := codec.Prefixed(codec.Uint8, codec.RawString, codec.Adjust(-1))
	codectest.Vector(t, less, "00 61", "a")
	codectest.RoundTrip(t, less, strings.Repeat("x", 256))
	codectest.Refuses(t, less, "", codec.ErrTooLarge)

	huge := codec.Prefixed(codec.Uint64, codec.RawString)
	codectest.Rejects(t, huge, "ffffffffffffffff", codec.ErrTooLarge, 0)
	codectest.Rejects(t, huge, "8000000000000000", codec.ErrTooLarge, 0)
	codectest.Rejects(t, codec.Prefixed(codec.Uint64, codec.RawString, codec.Adjust(8)), "8000000000000000", codec.ErrTooLarge, 0)
}

func TestABodyUsesItsFrame(t *testing.T) {
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Uint16), "03 010203", codec.ErrTrailingData, 3)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Uint16), "01 01", io.ErrUnexpectedEOF, 1)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Prefixed(codec.Uint8, codec.RawString)), "02 05 61 62 63 64 65", io.ErrUnexpectedEOF, 2)
}

func TestG15TextSaysWhereItIsNotUTF8(t *testing.T) {
	text := codec.Prefixed(codec.Uint32, codec.String)
	codectest.RoundTrip(t, text, "h\u00e9", "\ufffd")
	codectest.Refuses(t, text, "a\xffb", codec.ErrMalformed)
	codectest.Rejects(t, text, "00000003 61 ff 62", codec.ErrMalformed, 5)
	codectest.Rejects(t, text, "00000004 61 efbfbd | 00000003 61 62 c3", codec.ErrMalformed, 14)
}

type order struct {
	ID   uint32 `json:"id"`
	Item struct {
		Name string `json:"name"`
	} `json:"item"`
}

func TestG15JSONNamesFieldAndOffset(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.JSON[order]())
	frame := func(text string) []byte { return append([]byte{byte(len(text))}, text...) }

	_, err := codec.Unmarshal(c, frame(`{"id":1,"item":{"name":7}}`))
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "item.name", wrong.Path)
	require.Equal(t, int64(1+len(`{"id":1,"item":{"name":`)), wrong.Offset)

	_, err = codec.Unmarshal(c, frame(`{"id":1,"item":!}`))
	require.ErrorAs(t, err, &wrong)
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.Equal(t, int64(1+len(`{"id":1,"item":`)), wrong.Offset)
	require.Contains(t, err.Error(), "[21]")

	o := order{ID: 3}
	o.Item.Name = "x"
	codectest.RoundTrip(t, c, o)
}

func TestLines(t *testing.T) {
	codectest.Vector(t, codec.Lines, "6f6e65 0a", "one")
	codectest.Vector(t, codec.Lines, "0a", "")
	codectest.Vector(t, codec.Lines.With(codec.CRLF()), "6f6e65 0d0a", "one")
	codectest.Decodes(t, codec.Lines, []byte("one\r\n"), "one")
	codectest.Decodes(t, codec.Lines, []byte("a\rb\n"), "a\rb")
	codectest.Stream(t, codec.Lines, [][]byte{[]byte("a\n\nb\r"), []byte("\nlast")}, "a", "", "b", "last")
	codectest.Refuses(t, codec.Lines, "a\nb", codec.ErrMalformed)
	codectest.Vector(t, codec.Lines, "61 0d 0d0a", "a\r")
}

func TestG14LinesAreLimitedBothWays(t *testing.T) {
	c := codec.Lines.With(codec.Max(3))
	codectest.RoundTrip(t, c, "abc")
	codectest.Decodes(t, c, []byte("abc\r\n"), "abc")
	codectest.Refuses(t, c, "abcd", codec.ErrTooLarge)
	for _, text := range []string{"abcd\n", "abcd", "abcde", "abcdefgh", "abcd\r\n"} {
		codectest.Rejects(t, c, hexOf(text), codec.ErrTooLarge, 0)
	}
	long := strings.Repeat("x", codec.DefaultMaxLine)
	codectest.Stream(t, codec.Lines, [][]byte{[]byte(long), []byte("\n")}, long)
	_, err := codec.Unmarshal(codec.Lines, []byte(long+"x\n"))
	require.ErrorIs(t, err, codec.ErrTooLarge)
}

func TestMapCanFailBothWays(t *testing.T) {
	odd := errors.New("odd")
	even := codec.Map(codec.Uint16,
		func(n uint16) (int, error) {
			if n%2 == 1 {
				return 0, odd
			}
			return int(n / 2), nil
		},
		func(n int) (uint16, error) {
			if n > 100 {
				return 0, odd
			}
			return uint16(2 * n), nil
		})
	codectest.Vector(t, even, "0006", 3)
	codectest.Refuses(t, even, 101, odd)
	codectest.Rejects(t, even, "0002 0003", odd, 2)
}

func TestSizes(t *testing.T) {
	require.Equal(t, codec.Size{Min: 4, Max: 4}, codec.SizeOf(codec.Uint32))
	require.Equal(t, codec.Size{Min: 0, Max: codec.Unbounded, Open: true}, codec.SizeOf(codec.String))
	require.Equal(t, codec.Size{Min: 2, Max: 2 + 65535}, codec.SizeOf(codec.Prefixed(codec.Uint16, codec.String)))
}

func TestWhatCannotWorkIsRefusedWhenBuilt(t *testing.T) {
	panics := func(text string, f func()) {
		t.Helper()
		defer func() {
			t.Helper()
			require.Contains(t, recover(), text)
		}()
		f()
	}
	panics("Adjust(300) is more than the length can express, 255", func() { codec.Prefixed(codec.Uint8, codec.RawString, codec.Adjust(300)) })
	panics("raise Max or widen the length", func() { codec.Prefixed(codec.Uint8, codec.Uint64, codec.Max(4)) })
	panics("n must be at least 0, got -1", func() { codec.Max(-1) })
	panics("the Codec is nil", func() { codec.Map[int, int](nil, nil, nil) })
}

func TestAnErrorShowsTheBytesAround(t *testing.T) {
	_, err := codec.Unmarshal(codec.Prefixed(codec.Uint32, codec.String), []byte("\x00\x00\x00\x03a\xffb"))
	require.EqualError(t, err, "codec: at byte 5: invalid UTF-8, near 00 00 00 03 61 [ff] 62")
	_, err = codec.Unmarshal(codec.Uint32, []byte{1, 2, 3})
	require.EqualError(t, err, "codec: at byte 3: unexpected EOF, near 01 02 03 [end]")
	_, err = codec.Marshal(codec.Uint24, 1<<24)
	require.EqualError(t, err, "codec: encode: 16777216 does not fit 24 bits")
}

func hexOf(text string) string {
	var b bytes.Buffer
	for _, c := range []byte(text) {
		b.WriteString(string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
	}
	return b.String()
}

func FuzzPrefixedString(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint32, codec.String, codec.Max(1000)), "", "hello", "h\u00e9")
}

func FuzzNestedPrefixes(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.Prefixed(codec.Uint16LE, codec.Bytes, codec.Adjust(-2))), []byte("abc"))
}

func FuzzLines(f *testing.F) {
	codectest.Fuzz(f, codec.Lines.With(codec.Max(20)), "", "one", "two three")
}

func FuzzJSON(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint16, codec.JSON[order]()), order{ID: 1})
}

func FuzzInt24(f *testing.F) { codectest.Fuzz(f, codec.Int24LE, -1, 66051) }

func FuzzFloat(f *testing.F) { codectest.Fuzz(f, codec.Float32, 1.5, float32(math.NaN())) }
