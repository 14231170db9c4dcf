package codec_test

import (
	"testing"
	"time"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/unicode"
)

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
func FuzzEnum(f *testing.F) {
	codectest.Fuzz(f, codec.Enum(codec.Uint8, map[string]uint8{"a": 0, "b": 1}), "a")
}
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

func FuzzNullable(f *testing.F) {
	text := "a"
	codectest.Fuzz(f, codec.Nullable(codec.Int16, codec.String), nil, &text)
}
func FuzzSeparated(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.Separated(codec.RawString, "--")), []string{}, []string{"a", "", "b"})
}
func FuzzUntil(f *testing.F) {
	codectest.Fuzz(f, codec.Until("\r\n", codec.Delimited(codec.RawString, "\r\n", codec.Max(20))), []string{}, []string{"a", "b"})
}
func FuzzTLV(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
		codec.RequiredTag(uint8(1), "name", func(o *options) *string { return &o.Name }, codec.String),
		codec.OptionalTag(uint8(2), "port", func(o *options) **uint16 { return &o.Port }, codec.Uint16),
		codec.RepeatedTag(uint8(3), "host", func(o *options) *[]string { return &o.Hosts }, codec.String),
		codec.UnknownTags(func(o *options) *[]codec.UnknownTag[uint8] { return &o.Unknown }))), options{Name: "a", Hosts: []string{"b"}})
}
func FuzzFieldIf(f *testing.F) {
	codectest.Fuzz(f, codec.Record(
		codec.Field("flags", func(p *publish) *uint8 { return &p.Flags }, codec.Uint8),
		codec.FieldIf("id", func(p *publish) *uint16 { return &p.ID }, codec.Uint16, func(p publish) bool { return p.Flags&1 != 0 }),
		codec.FieldBy("payload", func(p *publish) *string { return &p.Payload }, func(p publish) codec.Codec[string] {
			return map[uint8]codec.Codec[string]{0: codec.Lines, 1: text}[p.Flags]
		})), publish{}, publish{Flags: 1, ID: 7, Payload: "a"})
}
func FuzzOptionalTails(f *testing.F) {
	tail := codec.OptionalTail(codec.Uint8)
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.Record(
		codec.Field("b", func(g *growing) **uint8 { return &g.B }, tail), codec.Field("c", func(g *growing) **uint8 { return &g.C }, tail),
		codec.Field("rest", func(g *growing) *[]byte { return &g.Rest }, codec.Bytes))), growing{})
}
func FuzzPairBy(f *testing.F) {
	codectest.Fuzz(f, codec.PairBy(codec.Uint8, func(n uint8) codec.Codec[string] {
		return map[uint8]codec.Codec[string]{0: codec.Lines, 1: text}[n]
	}), codec.Pair[uint8, string]{First: 1, Second: "a"})
}
func FuzzDefault(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.OneOf(codec.Uint8, codec.Case[any](uint8(1), codec.Uint16),
		codec.Default[any](codec.Bytes, func(tag uint8, p []byte) unknownShape { return unknownShape{tag, p} },
			func(u unknownShape) (uint8, []byte) { return u.Tag, u.Body }))), any(uint16(1)))
}
func FuzzJSONLines(f *testing.F) {
	codectest.Fuzz(f, codec.JSONLines[order](codec.KnownFieldsOnly(), codec.NoHTMLEscape()), order{ID: 7})
}
func FuzzWideBits(f *testing.F) {
	codectest.Fuzz(f, codec.WideBits(codec.BitField("id", 64, func(p *codec.Pair[uint64, uint8]) *uint64 { return &p.First }),
		codec.BitField("n", 8, func(p *codec.Pair[uint64, uint8]) *uint8 { return &p.Second })), codec.Pair[uint64, uint8]{First: 1, Second: 2})
}
func FuzzUnlessBefore(f *testing.F) {
	codectest.Fuzz(f, codec.Prefixed(codec.Uint8, codec.Delimited(codec.RawString, "\r\n", codec.UnlessBefore(" "))), "a\r\n b")
}

// FuzzResync checks that garbage does not cause a panic or hide a valid frame.
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
