package codec_test

import (
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// mine makes a codec of the user of one of ours. It keeps what that tells about its size.
type mine[T any] struct{ c codec.Codec[T] }

func (m mine[T]) Append(dst []byte, v T) ([]byte, error)  { return m.c.Append(dst, v) }
func (m mine[T]) Decode(r *codec.Reader) (v T, err error) { return m.c.Decode(r) }
func (m mine[T]) Size() codec.Size                        { return codec.SizeOf(m.c) }

func my[T any](c codec.Codec[T]) codec.Codec[T] { return mine[T]{c} }

// calls says whether values of a codec are lent, and whether the codec is given lent ones.
type calls struct {
	name           string
	lends, isGiven bool
}

func callsOf[T any](name string, c codec.Codec[T]) calls {
	_, out := chanio.Pipe()
	given := codec.Encode(out.Out, c).Consumes()
	if codec.SizeOf(c).Open {
		c = codec.Prefixed(codec.Uint16, c)
	}
	up := codec.Decode(chanio.FromSlice[[]byte](nil), c).Claim("test")
	return calls{name, up.Lends(), given}
}

// What lies in a buffer, and may be gone after the call, is for our own code only: a codec or a function of the user may
// be anywhere in a codec, and may keep what it gets or panic between two values.
func TestNoCodecOfTheUserIsGivenWhatIsLent(t *testing.T) {
	type pair struct {
		A uint8
		S string
		P *string
	}
	a := func(p *pair) *uint8 { return &p.A }
	s := func(p *pair) *string { return &p.S }
	tail := func(p *pair) **string { return &p.P }
	number, text := my(codec.Uint8), codec.Prefixed(codec.Uint8, my(codec.String))
	same := func(s string) (string, error) { return s, nil }
	texts := func(uint8) codec.Codec[string] { return text }
	tagOf := func(string) uint8 { return 0 }
	ours := codec.Prefixed(codec.Uint8, codec.String)
	record := func(c codec.Codec[string]) codec.Codec[pair] { return codec.Record(codec.Field("s", s, c)) }

	for _, c := range []calls{
		callsOf("alone", text),
		callsOf("As", codec.As[length](my(codec.Uint16))),
		callsOf("As of As", codec.As[uint16](codec.As[length](my(codec.Uint16)))),
		callsOf("Map", codec.Map(ours, same, same)),
		callsOf("Map, codec", codec.Map(text, same, same)),
		callsOf("Prefixed, length", codec.Prefixed(number, codec.String)),
		callsOf("Prefixed, Borrowed", codec.Prefixed(number, codec.Borrowed)),
		callsOf("Prefixed, length by As", codec.Prefixed(codec.As[length](my(codec.Uint16)), codec.String)),
		callsOf("Prefixed, delimited length", codec.Prefixed(codec.Delimited(my(codec.Decimal[int]()), ":"), codec.String)),
		callsOf("Prefixed, body", codec.Prefixed(codec.Uint8, my(codec.Bytes))),
		callsOf("Prefixed, nested", codec.Prefixed(codec.Uint8, codec.Prefixed(number, codec.String))),
		callsOf("Nullable, length", codec.Nullable(my(codec.Int8), codec.String)),
		callsOf("Nullable, body", codec.Nullable(codec.Int8, my(codec.String))),
		callsOf("Repeated, count", codec.Repeated(number, ours)),
		callsOf("Repeated", codec.Repeated(codec.Uint8, text)),
		callsOf("Array", codec.Array(2, text)),
		callsOf("ToEnd", codec.ToEnd(text)),
		callsOf("Until", codec.Until("x", text)),
		callsOf("Separated", codec.Separated(my(codec.String), ",")),
		callsOf("Delimited", codec.Delimited(my(codec.String), ",")),
		callsOf("Delimited, nested", codec.Delimited(codec.Prefixed(number, codec.String), ",")),
		callsOf("DelimitedBy", codec.DelimitedBy(codec.String, func(string) string { return "," }, ",")),
		callsOf("Exactly", codec.Exactly(3, my(codec.String))),
		callsOf("Padded", codec.Padded(3, 0, my(codec.String))),
		callsOf("Aligned", codec.Aligned(4, text)),
		callsOf("Limit", codec.Limit(9, text)),
		callsOf("Checksum", codec.Checksum(ours, codec.Uint32, crc32.ChecksumIEEE)),
		callsOf("Checksum, sum", codec.Checksum(ours, my(codec.Uint32), crc32.ChecksumIEEE)),
		callsOf("CRC32", codec.CRC32(text)),
		callsOf("Compressed", codec.Compressed(codec.Deflate, text)),
		callsOf("COBS", codec.COBS(text)),
		callsOf("SLIP", codec.SLIP(text)),
		callsOf("Netstring", codec.Netstring(my(codec.String))),
		callsOf("Suffixed", codec.Suffixed(text, "x")),
		callsOf("Between, before", codec.Between(my(codec.Const("x")), ours, nil)),
		callsOf("Between", codec.Between(codec.Const("x"), text, nil)),
		callsOf("Between, after", codec.Between(codec.Const("x"), ours, my(codec.Const("x")))),
		callsOf("Enum", codec.Enum(number, map[string]uint8{"a": 1})),
		callsOf("Bits", codec.Bits(number, codec.BitField("a", 8, a))),
		callsOf("UnixTime", codec.UnixTime(my(codec.Int64), time.Second)),
		callsOf("Optional, flag", codec.Optional(my(codec.Bool), ours)),
		callsOf("Optional", codec.Optional(codec.Bool, text)),
		callsOf("OptionalTail", codec.OptionalTail(text)),
		callsOf("PairOf, first", codec.PairOf(text, ours)),
		callsOf("PairOf, second", codec.PairOf(ours, text)),
		callsOf("PairBy", codec.PairBy(codec.Uint8, texts)),
		callsOf("Header, tag", codec.Header(number, func(uint8) codec.Codec[string] { return ours }, tagOf)),
		callsOf("Header", codec.Header(codec.Uint8, texts, tagOf)),
		callsOf("FirstByte", codec.FirstByte(texts, func(string) codec.Codec[string] { return text })),
		callsOf("OneOf, tag", codec.OneOf(number, codec.Case[any](uint8(1), ours))),
		callsOf("OneOf", codec.OneOf(codec.Uint8, codec.Case[any](uint8(1), text))),
		callsOf("Recursive", codec.Recursive(func(codec.Codec[string]) codec.Codec[string] { return text })),
		callsOf("Switchable", codec.Codec[string](codec.NewSwitchable(text))),
		callsOf("TLV", codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8), codec.RequiredTag(uint8(1), "s", s, my(codec.String)))),
		callsOf("TLV, tag", codec.TLV(number, codec.NewLength(codec.Uint8), codec.RequiredTag(uint8(1), "s", s, codec.String))),
		callsOf("TLV, length", codec.TLV(codec.Uint8, codec.NewLength(number), codec.RequiredTag(uint8(1), "s", s, codec.String))),
		callsOf("JSON", codec.JSON[string]()),
		callsOf("JSONLines", codec.JSONLines[string]()),
		callsOf("Record", record(text)),
		callsOf("Record, length", record(codec.Prefixed(number, codec.String))),
		callsOf("Record, number", codec.Record(codec.Field("a", a, number), codec.Field("s", s, ours))),
		callsOf("Record, nested", codec.Record(codec.Field("p", func(p *pair) *pair { return p }, record(text)))),
		callsOf("Record, in a frame", codec.Prefixed(codec.Uint8, record(text))),
		callsOf("Record, tail", codec.Record(codec.Field("s", tail, codec.OptionalTail(text)))),
		callsOf("FieldIf", codec.Record(codec.FieldIf("s", s, ours, func(pair) bool { return true }))),
		callsOf("FieldBy", codec.Record(codec.FieldBy("s", s, func(pair) codec.Codec[string] { return ours }))),
		callsOf("Literal", codec.Record(codec.Field("a", a, codec.Uint8), codec.Literal[pair](my(codec.Const("x"))))),
	} {
		require.False(t, c.lends, "%s: lends", c.name)
		require.False(t, c.isGiven, "%s: is given what is lent", c.name)
	}
	for _, c := range []calls{
		callsOf("Prefixed", ours),
		callsOf("Prefixed, varint", codec.Prefixed(codec.Uvarint, codec.String)),
		callsOf("Prefixed, Borrowed", codec.Prefixed(codec.As[length](codec.Uint16), codec.Borrowed)),
		callsOf("Lines", codec.Codec[string](codec.Lines)),
		callsOf("Delimited", codec.Delimited(codec.String, ",")),
		callsOf("Record", record(ours)),
	} {
		require.True(t, c.lends && c.isGiven, "%s is all ours: %+v", c.name, c)
	}
}
