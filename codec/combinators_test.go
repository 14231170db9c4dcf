package codec_test

import (
	"bytes"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

func TestBool(t *testing.T) {
	codectest.Vector(t, codec.Bool, "01", true)
	codectest.Vector(t, codec.Bool, "00", false)
	codectest.Rejects(t, codec.Bool, "00 02", codec.ErrMalformed, 1)
}

func TestVarints(t *testing.T) {
	// protobuf.dev/programming-guides/encoding
	codectest.Vector(t, codec.Uvarint, "96 01", 150)
	codectest.Vector(t, codec.Uvarint, "ac 02", 300)
	codectest.Vector(t, codec.Uvarint, "ffffffffffffffffff01", math.MaxUint64)
	codectest.Vector(t, codec.Varint, "01", -1)
	codectest.Vector(t, codec.Varint, "feffffff0f", math.MaxInt32)
	codectest.Vector(t, codec.Varint, "ffffffff0f", math.MinInt32)
	codectest.Vector(t, codec.Varint, "ffffffffffffffffff01", math.MinInt64)
	codectest.Rejects(t, codec.Uvarint, "ffffffffffffffffff02", codec.ErrTooLarge, 0)
	codectest.Rejects(t, codec.Uvarint, "ffffffffffffffffffff01", codec.ErrMalformed, 0)

	// RFC 9000, appendix A.1
	codectest.Vector(t, codec.QUICVarint, "c2197c5eff14e88c", 151288809941952652)
	codectest.Vector(t, codec.QUICVarint, "9d7f3e7d", 494878333)
	codectest.Vector(t, codec.QUICVarint, "7bbd", 15293)
	codectest.Vector(t, codec.QUICVarint, "25", 37)
	codectest.Decodes(t, codec.QUICVarint, []byte{0x40, 0x25}, 37)
	codectest.Refuses(t, codec.QUICVarint, 1<<62, codec.ErrTooLarge)

	// MQTT 5.0, section 1.5.5
	codectest.Vector(t, codec.MQTTVarint, "7f", 127)
	codectest.Vector(t, codec.MQTTVarint, "8001", 128)
	codectest.Vector(t, codec.MQTTVarint, "ff7f", 16383)
	codectest.Vector(t, codec.MQTTVarint, "ffffff7f", 268435455)
	codectest.Refuses(t, codec.MQTTVarint, 268435456, codec.ErrTooLarge)
	codectest.Rejects(t, codec.MQTTVarint, "8000", codec.ErrMalformed, 0)
	codectest.Rejects(t, codec.MQTTVarint, "8080808001", codec.ErrMalformed, 0)

	codectest.Vector(t, codec.Prefixed(codec.Uvarint, codec.Bytes), "03 616263", []byte("abc"))
	codectest.RoundTrip(t, codec.Prefixed(codec.Uvarint, codec.Bytes), bytes.Repeat([]byte("x"), 300))
	codectest.RoundTrip(t, codec.Prefixed(codec.MQTTVarint, codec.String), strings.Repeat("x", 300))
	codectest.Rejects(t, codec.Prefixed(codec.QUICVarint, codec.Bytes), "ffffffffffffffff", codec.ErrTooLarge, 0)
}

func TestDecimals(t *testing.T) {
	number := codec.Delimited(codec.Decimal[int8](), ":")
	codectest.Vector(t, number, "2d3132383a", -128)
	codectest.Vector(t, number, "303a", 0)
	for _, bad := range []string{"", "128", "-129", "1a", " 1", "-", "1.0", "1_0", "9999999999999999999999"} {
		_, err := codec.Unmarshal(number, []byte(bad+":"))
		require.ErrorIs(t, err, codec.ErrMalformed, bad)
	}
	_, err := codec.Unmarshal(codec.Delimited(codec.Decimal[uint8](), ":"), []byte("-1:"))
	require.ErrorIs(t, err, codec.ErrMalformed)
	codectest.Vector(t, codec.Delimited(codec.Decimal[uint64](), ";"), hexOf("18446744073709551615;"), math.MaxUint64)

	codectest.Vector(t, codec.DecimalWidth[int](4), hexOf("-007"), -7)
	codectest.Vector(t, codec.DecimalWidth[int](4), hexOf("0123"), 123)
	codectest.Refuses(t, codec.DecimalWidth[int](2), 123, codec.ErrTooLarge)
	codectest.Refuses(t, codec.DecimalWidth[int](2), -12, codec.ErrTooLarge)

	codectest.Vector(t, codec.Delimited(codec.FloatText, "x"), hexOf("3.0x"), 3)
	codectest.Vector(t, codec.Delimited(codec.FloatText, "x"), hexOf("-0.125x"), -0.125)
	codectest.RoundTrip(t, codec.Delimited(codec.FloatText, "x"), math.Inf(-1), 1e300, math.SmallestNonzeroFloat64)
}

func TestCharsets(t *testing.T) {
	codectest.Vector(t, codec.Prefixed(codec.Uint8, codec.Charset(charmap.ISO8859_1)), "02 68e9", "h\u00e9")
	codectest.Refuses(t, codec.Prefixed(codec.Uint8, codec.Charset(charmap.ISO8859_1)), "\u20ac", codec.ErrMalformed)
	utf16 := codec.Charset(unicode.UTF16(unicode.BigEndian, unicode.UseBOM))
	codectest.Vector(t, codec.Prefixed(codec.Uint8, utf16), "06 feff00610062", "ab")
	sjis := codec.Prefixed(codec.Uint8, codec.Charset(japanese.ShiftJIS))
	codectest.Vector(t, sjis, "04 93fa967b", "\u65e5\u672c")
	codectest.Rejects(t, sjis, "01 93", codec.ErrMalformed, 1)
	ascii := codec.Prefixed(codec.Uint8, codec.ASCII)
	codectest.Vector(t, ascii, "01 41", "A")
	codectest.Refuses(t, ascii, "\u00e9", codec.ErrMalformed)
	codectest.Rejects(t, ascii, "02 41 80", codec.ErrMalformed, 2)
}

func TestFixedParts(t *testing.T) {
	codectest.Vector(t, codec.Exactly(3, codec.String), "666f6f", "foo")
	codectest.Refuses(t, codec.Exactly(3, codec.String), "fo", codec.ErrMalformed)
	codectest.Refuses(t, codec.Exactly(3, codec.String), "fooo", codec.ErrTooLarge)
	codectest.Rejects(t, codec.Exactly(3, codec.Uint16), "010203", codec.ErrTrailingData, 2)

	codectest.Vector(t, codec.Padded(5, 0, codec.String), "666f6f0000", "foo")
	codectest.Vector(t, codec.Padded(3, ' ', codec.String), "202020", "")
	codectest.Refuses(t, codec.Padded(3, ' ', codec.String), "a ", codec.ErrMalformed)
	codectest.Refuses(t, codec.Padded(3, ' ', codec.String), "abcd", codec.ErrTooLarge)

	codectest.Vector(t, codec.Aligned(4, codec.Prefixed(codec.Uint8, codec.String)), "02686900", "hi")
	codectest.Vector(t, codec.Aligned(4, codec.Prefixed(codec.Uint8, codec.String)), "03686968", "hih")
	codectest.Rejects(t, codec.Aligned(4, codec.Uint16), "0001 0003", codec.ErrMismatch, 3)

	magic := codec.Between(codec.Const("\xca\xfe"), codec.Uint8, codec.Skip(2))
	codectest.Vector(t, magic, "cafe 07 0000", 7)
	codectest.Decodes(t, magic, []byte("\xca\xfe\x07xy"), 7)
	codectest.Rejects(t, magic, "caff 07 0000", codec.ErrMismatch, 1)
}

func TestDelimited(t *testing.T) {
	crlf := codec.Delimited(codec.String, "\r\n", codec.Or("\n"))
	codectest.Vector(t, crlf, hexOf("hi\r\n"), "hi")
	codectest.Decodes(t, crlf, []byte("hi\n"), "hi")
	codectest.Refuses(t, crlf, "a\nb", codec.ErrMalformed)
	codectest.RoundTrip(t, crlf, "a\r") // CR CR LF: the delimiter begins at the second

	kept := codec.Delimited(codec.String, "\n", codec.KeepDelimiter())
	codectest.Vector(t, kept, hexOf("a\n"), "a\n")
	p, err := codec.Marshal(kept, "a")
	require.NoError(t, err)
	require.Equal(t, "a\n", string(p))
	codectest.Refuses(t, kept, "a\nb\n", codec.ErrMalformed)

	open := codec.Delimited(codec.String, ",", codec.OrEnd())
	codectest.Stream(t, open, [][]byte{[]byte("a,b"), []byte(",c")}, "a", "b", "c")
	codectest.Stream(t, open, [][]byte{[]byte("a,")}, "a")
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, codec.ToEnd(open)), []string{"a", "", "b"})

	escaped := codec.Delimited(codec.String, ",", codec.Escape('\\'), codec.Max(8))
	codectest.Vector(t, escaped, hexOf(`a\,b\\c,`), `a,b\c`)
	codectest.Decodes(t, escaped, []byte(`\a,`), "a")
	codectest.Refuses(t, escaped, "123456789", codec.ErrTooLarge)
	codectest.RoundTrip(t, escaped, ",,,,,,,,", "")

	short := codec.Delimited(codec.String, "--", codec.Max(3))
	codectest.RoundTrip(t, short, "abc", "a-b")
	codectest.Refuses(t, short, "ab-", codec.ErrMalformed) // the third dash would be in the next value
	codectest.Refuses(t, short, "abcd", codec.ErrTooLarge)
	codectest.Rejects(t, short, hexOf("abcdefgh--"), codec.ErrTooLarge, 0)
	codectest.Rejects(t, short, hexOf("abcdefgh"), codec.ErrTooLarge, 0)

	chosen := codec.DelimitedBy(codec.String, func(s string) string {
		if s == "END" {
			return "\r\n"
		}
		return " "
	}, "\r\n", " ")
	codectest.Vector(t, chosen, hexOf("END\r\n"), "END")
	codectest.Vector(t, chosen, hexOf("GET "), "GET")
}

func TestLongestDelimiterWins(t *testing.T) {
	c := codec.Delimited(codec.RawString, "abcd", codec.Or("bc", "a", "abx"))
	all, err := codec.UnmarshalAll(c, []byte("1abcd2bc3a4abx5ab"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, all)
	codectest.Decodes(t, c, []byte("zabx"), "z")
}

func TestNetstring(t *testing.T) {
	codectest.Vector(t, codec.Netstring(codec.String), hexOf("3:abc,"), "abc")
	codectest.Vector(t, codec.Netstring(codec.String), hexOf("0:,"), "")
	codectest.RoundTrip(t, codec.Netstring(codec.RawString), strings.Repeat("x", 1000))
	for _, bad := range []string{"03:abc,", "+3:abc,", "-1:,", ":,", "3;abc,"} {
		_, err := codec.Unmarshal(codec.Netstring(codec.String), []byte(bad))
		require.Error(t, err, bad)
	}
	codectest.Rejects(t, codec.Netstring(codec.String), hexOf("3:abc;"), codec.ErrMismatch, 5)
	codectest.Rejects(t, codec.Netstring(codec.String), hexOf("99999999999:"), codec.ErrTooLarge, 0)
}

func TestRepetitions(t *testing.T) {
	counted := codec.Repeated(codec.Uint8, codec.Uint16)
	codectest.Vector(t, counted, "02 0001 0002", []uint16{1, 2})
	codectest.Vector(t, counted, "00", []uint16{})
	codectest.Refuses(t, counted, make([]uint16, 256), codec.ErrTooLarge)
	codectest.Vector(t, codec.Array(2, codec.Uint8), "0708", []uint8{7, 8})
	codectest.Refuses(t, codec.Array(2, codec.Uint8), []uint8{1}, codec.ErrMismatch)
	codectest.Vector(t, codec.Prefixed(codec.Uint8, codec.ToEnd(codec.Uint16)), "04 0001 0002", []uint16{1, 2})
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.ToEnd(codec.Uint16)), "03 0001 00", io.ErrUnexpectedEOF, 3)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Repeated(codec.Uint32, codec.Uint16)), "06 0000ffff 0001", codec.ErrTooLarge, 5)
	codectest.Rejects(t, codec.Repeated(codec.Int8, codec.Uint16), "ff", codec.ErrMalformed, 0)
	codectest.Rejects(t, codec.Repeated(codec.Uint8, codec.Uint8, codec.Max(2)), "03 010203", codec.ErrTooLarge, 0)
	codectest.Refuses(t, codec.Repeated(codec.Uint8, codec.Uint8, codec.Max(2)), []uint8{1, 2, 3}, codec.ErrTooLarge)
	words := codec.Delimited(codec.ToEnd(codec.Delimited(codec.String, "/n")), "/0")
	codectest.Vector(t, words, hexOf("foo/nbar/n/0"), []string{"foo", "bar"})

	_, err := codec.Unmarshal(codec.Repeated(codec.Uint8, codec.Prefixed(codec.Uint8, codec.String)), []byte("\x02\x01a\x01\xff"))
	var wrong *codec.Error
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "[1]", wrong.Path)
	require.Equal(t, int64(4), wrong.Offset)
}

func TestG14ACountAllocatesNothing(t *testing.T) {
	many := codec.Repeated(codec.Uint32, codec.Uint64, codec.Max(1<<30))
	require.Less(t, testing.AllocsPerRun(10, func() {
		_, err := codec.Unmarshal(many, []byte{0x3f, 0xff, 0xff, 0xff, 1, 2, 3})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}), 30.0)
}

// shape is a sum type.
type shape interface{ area() int }

type circle uint8

type square struct{ Side uint16 }

func (c circle) area() int { return int(c) }
func (s square) area() int { return int(s.Side) }

var squareCodec = codec.Record(codec.Field("side", func(s *square) *uint16 { return &s.Side }, codec.Uint16))

var circleCodec = codec.Map(codec.Uint8,
	func(n uint8) (circle, error) { return circle(n), nil },
	func(c circle) (uint8, error) { return uint8(c), nil })

var shapes = codec.OneOf(codec.Uint8,
	codec.Case[shape, circle, uint8](1, circleCodec), codec.Case[shape, square, uint8](2, squareCodec))

func TestOneOf(t *testing.T) {
	codectest.Vector(t, shapes, "01 07", shape(circle(7)))
	codectest.Vector(t, shapes, "02 0003", shape(square{3}))
	codectest.Rejects(t, shapes, "03", codec.ErrMismatch, 0)
	codectest.Refuses(t, shapes, nil, codec.ErrMismatch)

	older := codec.OneOf(codec.Uint8, codec.Case[any](uint8(2), codec.Uint16), codec.Case[any](uint8(1), codec.Uint16))
	v, err := codec.Unmarshal(older, []byte{1, 0, 7})
	require.NoError(t, err)
	p, err := codec.Marshal(older, v)
	require.NoError(t, err)
	require.Equal(t, []byte{2, 0, 7}, p)
}

func TestHeader(t *testing.T) {
	text := codec.Prefixed(codec.Uint16, codec.String)
	c := codec.Header(codec.Uint8,
		func(tag uint8) codec.Codec[string] {
			switch tag {
			case 1:
				return text
			case 2:
				return codec.Exactly(2, codec.String)
			}
			return nil
		},
		func(s string) uint8 {
			switch len(s) {
			case 2:
				return 2
			case 9:
				return 9
			}
			return 1
		})
	codectest.Vector(t, c, "01 0003 616263", "abc")
	codectest.Vector(t, c, "02 6162", "ab")
	codectest.Rejects(t, c, "09", codec.ErrMismatch, 0)
	codectest.Refuses(t, c, "123456789", codec.ErrMismatch)
}

func TestPairsAndOptions(t *testing.T) {
	codectest.Vector(t, codec.PairOf(codec.Uint16, codec.Uint8), "0001 02", codec.Pair[uint16, uint8]{First: 1, Second: 2})
	n := uint16(7)
	codectest.Vector(t, codec.Optional(codec.Bool, codec.Uint16), "01 0007", &n)
	codectest.Vector(t, codec.Optional(codec.Bool, codec.Uint16), "00", nil)
	grown := codec.Prefixed(codec.Uint8, codec.PairOf(codec.Uint8, codec.OptionalTail(codec.Uint16)))
	codectest.Vector(t, grown, "03 01 0007", codec.Pair[uint8, *uint16]{First: 1, Second: &n})
	codectest.Vector(t, grown, "01 01", codec.Pair[uint8, *uint16]{First: 1})
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint32, codec.PairOf(codec.Uint8, codec.Bytes)),
		codec.Pair[uint8, []byte]{First: 1, Second: bytes.Repeat([]byte("x"), 40_000)})
}

func TestEnum(t *testing.T) {
	c := codec.Enum(codec.Uint8, map[string]uint8{"low": 1, "high": 9})
	codectest.Vector(t, c, "09", "high")
	codectest.Refuses(t, c, "middle", codec.ErrMismatch)
	codectest.Rejects(t, c, "01 02", codec.ErrMismatch, 1)
}

type flags struct {
	Version uint8
	Urgent  bool
	Length  uint16
}

var flagsCodec = codec.Bits(codec.Uint16,
	codec.BitField("version", 3, func(f *flags) *uint8 { return &f.Version }),
	codec.BitFlag("urgent", func(f *flags) *bool { return &f.Urgent }),
	codec.BitField("length", 12, func(f *flags) *uint16 { return &f.Length }))

func TestBits(t *testing.T) {
	codectest.Vector(t, flagsCodec, "b123", flags{5, true, 0x123})
	codectest.Vector(t, flagsCodec, "0000", flags{})
	codectest.Refuses(t, flagsCodec, flags{Version: 8}, codec.ErrTooLarge)
	_, err := codec.Marshal(flagsCodec, flags{Length: 4096})
	require.ErrorContains(t, err, "length encode: 4096 does not fit 12 bits")
	wide := codec.Bits(codec.Uint64, codec.BitField("all", 64, func(n *uint64) *uint64 { return n }))
	codectest.Vector(t, wide, "ffffffffffffffff", math.MaxUint64)
	spare := codec.Bits(codec.Uint24LE, codec.SpareBits[uint32](20), codec.BitField("n", 4, func(n *uint32) *uint32 { return n }))
	codectest.Vector(t, spare, "0a0000", 10)
	codectest.Decodes(t, spare, []byte("\xfa\xff\xff"), 10)
}

type tree struct {
	Name     string
	Children []tree
}

var treeCodec = codec.Recursive(func(self codec.Codec[tree]) codec.Codec[tree] {
	return codec.Record(
		codec.Field("name", func(t *tree) *string { return &t.Name }, codec.Prefixed(codec.Uint8, codec.String)),
		codec.Field("children", func(t *tree) *[]tree { return &t.Children }, codec.Repeated(codec.Uint8, self)))
})

func TestRecursive(t *testing.T) {
	leaf := tree{"b", []tree{}}
	codectest.Vector(t, treeCodec, "01 61 01 01 62 00", tree{"a", []tree{leaf}})
}

func TestG14DepthIsLimitedBothWays(t *testing.T) {
	deep := tree{Children: []tree{}}
	for range codec.MaxDepth - 1 {
		deep = tree{Children: []tree{deep}}
	}
	codectest.RoundTrip(t, treeCodec, deep)
	codectest.Refuses(t, treeCodec, tree{Children: []tree{deep}}, codec.ErrTooDeep)
	_, err := codec.Unmarshal(treeCodec, bytes.Repeat([]byte{0, 1}, 100))
	require.ErrorIs(t, err, codec.ErrTooDeep)
}

// web is a tree whose values are of three kinds that contain each other.
type web struct{ A, B, C []web }

// TestDecodingBuildsNoLevels nests three Recursives in each other. What is received builds no codecs, and has at most
// MaxDepth levels of each.
func TestDecodingBuildsNoLevels(t *testing.T) {
	builds := 0
	node := func(a, b, c codec.Codec[web]) codec.Codec[web] {
		builds++
		return codec.Record(
			codec.Field("a", func(w *web) *[]web { return &w.A }, codec.Repeated(codec.Uint8, a)),
			codec.Field("b", func(w *web) *[]web { return &w.B }, codec.Repeated(codec.Uint8, b)),
			codec.Field("c", func(w *web) *[]web { return &w.C }, codec.Repeated(codec.Uint8, c)))
	}
	webs := codec.Recursive(func(a codec.Codec[web]) codec.Codec[web] {
		second := codec.Recursive(func(b codec.Codec[web]) codec.Codec[web] {
			third := codec.Recursive(func(c codec.Codec[web]) codec.Codec[web] { return node(a, b, c) })
			return node(a, b, third)
		})
		return node(a, second, second)
	})
	before := builds
	for range 100 {
		p := make([]byte, 4<<10)
		for i := range p {
			p[i] = byte(rand.N(2))
		}
		_, _ = codec.Unmarshal(webs, p)
	}
	require.Equal(t, before, builds)
	for _, test := range []struct {
		kids  string // one level of each kind, or several
		times int    // that they fit
	}{
		{"\x01", codec.MaxDepth - 1},
		{"\x00\x01", codec.MaxDepth},
		{"\x00\x00\x01", codec.MaxDepth + 1},
		{"\x00\x01\x00\x00\x01\x01", codec.MaxDepth - 1},
	} {
		var v web
		end := strings.Repeat("\x00", 9*codec.MaxDepth)
		_, err := codec.UnmarshalInto(webs, []byte(strings.Repeat(test.kids, test.times)+end), &v)
		require.NoError(t, err, "%x", test.kids)
		_, err = codec.UnmarshalInto(webs, []byte(strings.Repeat(test.kids, test.times+1)+end), &v)
		require.ErrorIs(t, err, codec.ErrTooDeep, "%x", test.kids)
	}
}

func TestLimit(t *testing.T) {
	c := codec.Limit(3, codec.Prefixed(codec.Uint8, codec.RawString))
	codectest.RoundTrip(t, c, "", "ab")
	codectest.Refuses(t, c, "abc", codec.ErrTooLarge)
	codectest.Rejects(t, c, "02 6162 | 03 616263", codec.ErrTooLarge, 3)
	open := codec.Limit(3, codec.RawString)
	codectest.RoundTrip(t, open, "abc")
	codectest.Rejects(t, open, "61626364", codec.ErrTooLarge, 0)
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, open), "04 61626364", codec.ErrTooLarge, 1)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, open), "abc")
}

func TestChecksums(t *testing.T) {
	c := codec.CRC32(codec.Prefixed(codec.Uint8, codec.String))
	codectest.RoundTrip(t, c, "hi", "")
	p, err := codec.Marshal(c, "hi")
	require.NoError(t, err)
	require.Equal(t, crc32.ChecksumIEEE(p[:3]), uint32(p[3])<<24|uint32(p[4])<<16|uint32(p[5])<<8|uint32(p[6]))
	p[6]++
	codectest.Rejects(t, c, hexOf(string(p)), codec.ErrMismatch, 3)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint32, codec.Checksum(codec.Bytes, codec.Uint32, adler32.Checksum)), []byte("hello"), bytes.Repeat([]byte("x"), 33_000))
	codectest.RoundTrip(t, codec.CRC32(codec.Prefixed(codec.Uint32, codec.Bytes)), bytes.Repeat([]byte("xyz"), 11_000))
	codectest.Rejects(t, codec.Prefixed(codec.Uint8, codec.Checksum(codec.Bytes, codec.Uint32, adler32.Checksum)), "02 0102", io.ErrUnexpectedEOF, 1)
	open := codec.Prefixed(codec.Uint8, codec.Checksum(codec.Bytes, codec.Uint32, adler32.Checksum))
	p, err = codec.Marshal(open, []byte("hello"))
	require.NoError(t, err)
	p[3]++
	codectest.Rejects(t, open, hexOf(string(p)), codec.ErrMismatch, 6)
}

func TestCompressed(t *testing.T) {
	for _, algorithm := range []codec.Compression{codec.Gzip, codec.Zlib, codec.Deflate} {
		c := codec.Prefixed(codec.Uint16, codec.Compressed(algorithm, codec.String, codec.Max(5000)))
		codectest.RoundTrip(t, c, "hello", "", strings.Repeat("weir ", 1000))
		codectest.Refuses(t, c, strings.Repeat("x", 5001), codec.ErrTooLarge)
		bomb, err := codec.Marshal(codec.Prefixed(codec.Uint16, codec.Compressed(algorithm, codec.String)), strings.Repeat("x", 5001))
		require.NoError(t, err)
		codectest.Rejects(t, c, hexOf(string(bomb)), codec.ErrTooLarge, 2)
		codectest.Rejects(t, c, "0003 fefefe", codec.ErrMalformed, 2)
	}
}

func TestGob(t *testing.T) {
}

func TestStuffing(t *testing.T) {
	cobs := codec.COBS(codec.Bytes)
	// The examples of the paper and of its common descriptions.
	codectest.Vector(t, cobs, "01 01 00", []byte{0})
	codectest.Vector(t, cobs, "01 01 01 00", []byte{0, 0})
	codectest.Vector(t, cobs, "02 11 02 22 00", []byte{0x11, 0, 0x22})
	codectest.Vector(t, cobs, "03 11 22 02 33 00", []byte{0x11, 0x22, 0, 0x33})
	codectest.Vector(t, cobs, "05 11 22 33 44 00", []byte{0x11, 0x22, 0x33, 0x44})
	codectest.Vector(t, cobs, "02 11 01 01 01 00", []byte{0x11, 0, 0, 0})
	var run []byte
	for i := 1; i <= 255; i++ {
		run = append(run, byte(i))
	}
	codectest.Vector(t, cobs, "ff"+hexOf(string(run[:254]))+"00", run[:254])
	codectest.Vector(t, cobs, "ff"+hexOf(string(run[:254]))+"02ff00", run)
	codectest.Vector(t, cobs, "01ff"+hexOf(string(run[:254]))+"00", append([]byte{0}, run[:254]...))
	codectest.Rejects(t, cobs, "05 11 00", codec.ErrMalformed, 0)
	codectest.Decodes(t, cobs, codectest.Hex(t, "00 00 02 11 00"), []byte{0x11})

	slip := codec.SLIP(codec.Bytes)
	codectest.Vector(t, slip, "01 db dc 02 db dd c0", []byte{1, 0xc0, 2, 0xdb})
	codectest.Refuses(t, slip, []byte{}, codec.ErrNoProgress)
	codectest.Decodes(t, slip, codectest.Hex(t, "c0 c0 01 c0"), []byte{1})
	codectest.Rejects(t, slip, "01 db 05 c0", codec.ErrMalformed, 2)
	codectest.Rejects(t, slip, "01 db c0", codec.ErrMalformed, 1)
}

func TestWellKnownTypes(t *testing.T) {
	id := [16]byte{0xf8, 0x1d, 15: 0xf6}
	codectest.Vector(t, codec.UUID[[16]byte](), "f81d 00000000000000000000000000 f6", id)
	at := time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)
	codectest.Vector(t, codec.UnixTime(codec.Uint32, time.Second), "3b9aca00", at)
	codectest.Vector(t, codec.UnixTime(codec.Int64, time.Millisecond), "000000e8d4a51007", at.Add(7*time.Millisecond))
	codectest.RoundTrip(t, codec.UnixTime(codec.Int64, time.Millisecond), time.Date(1960, 1, 2, 3, 4, 5, 6e6, time.UTC))
	codectest.Refuses(t, codec.UnixTime(codec.Uint32, time.Second), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), codec.ErrTooLarge)
	codectest.Refuses(t, codec.UnixTime(codec.Uint32, time.Second), time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), codec.ErrTooLarge)
	codectest.Refuses(t, codec.UnixTime(codec.Int64, time.Nanosecond), time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), codec.ErrTooLarge)

	codectest.Vector(t, codec.IPv4, "7f000001", netip.MustParseAddr("127.0.0.1"))
	codectest.Vector(t, codec.IPv6, "00000000000000000000000000000001", netip.MustParseAddr("::1"))
	codectest.Vector(t, codec.AddrPort4, "7f000001 0050", netip.MustParseAddrPort("127.0.0.1:80"))
	codectest.Vector(t, codec.AddrPort6, "00000000000000000000000000000001 0050", netip.MustParseAddrPort("[::1]:80"))
	codectest.Refuses(t, codec.IPv4, netip.MustParseAddr("::1"), codec.ErrMismatch)
	codectest.Refuses(t, codec.IPv6, netip.MustParseAddr("fe80::1%eth0"), codec.ErrMismatch)
}

func TestWhatCannotWorkSaysHowToFixIt(t *testing.T) {
	for text, build := range map[string]func(){
		"put Prefixed, Delimited or Exactly around it": func() { codec.Repeated(codec.Uint8, codec.String) },
		"ToEnd: the codec takes no bytes":              func() { codec.ToEnd(codec.Empty[int]()) },
		"n must be at least 1, got -3":                 func() { codec.Exactly(-3, codec.Bytes) },
		"at least 4 bytes and the limit is 2":          func() { codec.Exactly(2, codec.Uint32) },
		`is a prefix of another, "xyz"`:                func() { codec.Delimited(codec.String, "xy", codec.Or("xyz")) },
		`duplicate delimiter "\n"`:                     func() { codec.Delimited(codec.String, "\n", codec.Or("\n")) },
		"a delimiter is empty":                         func() { codec.Delimited(codec.String, "") },
		"Escape works with delimiters of one byte":     func() { codec.Delimited(codec.String, "--", codec.Escape('\\')) },
		"the fields have 7 bits and the number has 8":  func() { codec.Bits(codec.Uint8, codec.SpareBits[int](7)) },
		"duplicate tag 1": func() {
			codec.OneOf(codec.Uint8, codec.Case[shape, circle, uint8](1, circleCodec), codec.Case[shape, square, uint8](1, squareCodec))
		},
		"have the same number, 1":                           func() { codec.Enum(codec.Uint8, map[string]uint8{"a": 1, "b": 1}) },
		"does not fit 24 bits":                              func() { codec.Enum(codec.Uint24, map[string]uint32{"a": 1 << 24}) },
		"the sum must have a fixed width":                   func() { codec.Checksum(codec.Bytes, codec.Uvarint, func([]byte) uint64 { return 0 }) },
		"the unit must divide a second, got 1m0s":           func() { codec.UnixTime(codec.Int64, time.Minute) },
		"the codec takes at least 8 bytes and the limit is": func() { codec.Limit(4, codec.Int64) },
	} {
		func() {
			defer func() { require.Contains(t, recover(), text) }()
			build()
		}()
	}
}
