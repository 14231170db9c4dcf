package codec_test

import (
	"testing"
	"time"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/unicode"
)

func FuzzUint128(f *testing.F) {
	codectest.Fuzz(f, codec.Uint128LE, codec.Uint128Value{Hi: 1, Lo: 2})
}
func FuzzBool(f *testing.F)       { codectest.Fuzz(f, codec.Bool, true) }
func FuzzUvarint(f *testing.F)    { codectest.Fuzz(f, codec.Uvarint, 0, 300, 1<<63) }
func FuzzVarint(f *testing.F)     { codectest.Fuzz(f, codec.Varint, 0, -300, 1<<62) }
func FuzzQUICVarint(f *testing.F) { codectest.Fuzz(f, codec.QUICVarint, 0, 15293, 1<<61) }
func FuzzMQTTVarint(f *testing.F) { codectest.Fuzz(f, codec.MQTTVarint, 0, 128, 268435455) }
func FuzzDecimal(f *testing.F) {
	codectest.Fuzz(f, codec.Delimited(codec.Decimal[int16](), ":"), 0, -32768)
}
func FuzzDecimalWidth(f *testing.F) { codectest.Fuzz(f, codec.DecimalWidth[int32](5), 0, -99) }
func FuzzFloatText(f *testing.F) {
	codectest.Fuzz(f, codec.Delimited(codec.FloatText, ","), 0, -1.5, 1e99)
}

// FuzzFloatTextWidth leaves out numbers that were written with fewer characters than Go needs, such as 1e123.
func FuzzFloatTextWidth(f *testing.F) {
	f.Add([]byte("-01.5"))
	f.Fuzz(func(t *testing.T, p []byte) {
		c := codec.FloatTextWidth(5)
		p = p[:min(len(p), 5)]
		if v, err := codec.Unmarshal(c, p); err == nil {
			if p, err = codec.Marshal(c, v); err != nil {
				return
			}
		}
		codectest.Try(t, c, p)
	})
}

func FuzzText(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.Charset(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM))), "a", "\u65e5")
}
func FuzzASCII(f *testing.F)  { codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.ASCII), "a") }
func FuzzPadded(f *testing.F) { codectest.Fuzz(f, codec.Padded(4, 0, codec.RawString), "a", "abcd") }
func FuzzAligned(f *testing.F) {
	codectest.Fuzz(f, codec.Aligned(4, codec.Prefixed(codec.Uint8, codec.RawString)), "a", "abcd")
}
func FuzzBetween(f *testing.F) {
	codectest.Fuzz(f, codec.Between(codec.Const("\xca\xfe"), codec.Exactly(2, codec.RawString), codec.Skip(1)), "ab")
}
func FuzzDelimited(f *testing.F) {
	codectest.Fuzz(f, codec.Delimited(codec.RawString, "abc", codec.Or("bc", "ax", "b"), codec.Max(30)), "", "xyz")
}
func FuzzDelimitedKeep(f *testing.F) {
	codectest.Fuzz(f, codec.Delimited(codec.RawString, "\r\n", codec.Or("\n"), codec.KeepDelimiter()), "x\n")
}
func FuzzDelimitedEscape(f *testing.F) {
	codectest.Fuzz(f, codec.Delimited(codec.RawString, ",", codec.Or(";"), codec.Escape('\\'), codec.Max(20)), "", "a,b;c\\")
}
func FuzzNetstring(f *testing.F) {
	codectest.Fuzz(f, codec.Netstring(codec.RawString, codec.Max(100)), "", "abc")
}
func FuzzRepeated(f *testing.F) {
	codectest.Fuzz(f, codec.Repeated(codec.Uint8, codec.Prefixed(codec.Uint8, codec.RawString)), []string{}, []string{"a", ""})
}
func FuzzToEnd(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.ToEnd(codec.Uvarint)), []uint64{1, 300})
}
func FuzzOneOf(f *testing.F) { codectest.Fuzz(f, shapes, shape(circle(1)), shape(square{2})) }
func FuzzOptional(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.PairOf(codec.Optional(codec.Bool, codec.Uint8), codec.OptionalTail(codec.RawString))),
		codec.Pair[*uint8, *string]{})
}
func FuzzEnum(f *testing.F)      { codectest.Fuzz(f, codec.EnumOf(codec.Uint8, "a", "b"), "a") }
func FuzzBits(f *testing.F)      { codectest.Fuzz(f, flagsCodec, flags{1, true, 2}) }
func FuzzRecursive(f *testing.F) { codectest.Fuzz(f, treeCodec, tree{"a", []tree{{"b", []tree{}}}}) }
func FuzzLimit(f *testing.F) {
	codectest.Fuzz(f, codec.Limit(9, codec.Prefixed(codec.Uvarint, codec.RawString)), "abc")
}
func FuzzChecksum(f *testing.F) {
	codectest.Fuzz(f, codec.CRC32(codec.Prefixed(codec.Uint8, codec.RawString)), "abc")
}
func FuzzCompressed(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint16, codec.Compressed(codec.Deflate, codec.RawString, codec.Max(1000))), "abc")
}
func FuzzCOBS(f *testing.F) { codectest.Fuzz(f, codec.COBS(codec.Bytes), []byte{0, 1, 0}) }
func FuzzSLIP(f *testing.F) { codectest.Fuzz(f, codec.SLIP(codec.Bytes), []byte{0xc0, 1, 0xdb}) }
func FuzzUnixTime(f *testing.F) {
	codectest.Fuzz(f, codec.UnixTime(codec.Int64, time.Millisecond), time.Unix(0, 0).UTC())
}
func FuzzAddrPort(f *testing.F) { codectest.Fuzz(f, codec.AddrPort6) }

// FuzzResync sees that garbage neither panics nor keeps a good frame from being found.
func FuzzResync(f *testing.F) {
	frames := codec.CRC32(codec.Between(codec.Const("\xca\xfe"), codec.Prefixed(codec.Uint8, codec.RawString), nil))
	good, err := codec.Marshal(frames, "good")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("garbage"), 3)
	f.Add(good[:5], 1)
	f.Fuzz(func(t *testing.T, garbage []byte, step int) {
		step = min(max(step, 1), 100)
		stream := append(append([]byte(nil), garbage...), good...)
		stream = append(stream, make([]byte, 300)...) // a length within the garbage may claim the frame
		var chunks [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			chunks = append(chunks, rest[:min(step, len(rest))])
		}
		in := codec.Resync(codectest.Chunks(chunks...), "\xca\xfe", frames, nil)
		for v := range in.All(t.Context()) {
			if v == "good" {
				return
			}
		}
		t.Fatalf("lost behind %x", garbage)
	})
}
