package codec_test

import (
	"context"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
	"golang.org/x/text/encoding/charmap"
)

type refusedRow struct {
	A, B uint8
	P    *uint8
	S    []uint8
	U, V []codec.UnknownTag[uint8]
	Text string
}

// TestEveryConstructorRefusesWhatItCannotWorkWith checks that the panic of each has its name and the reason.
func TestEveryConstructorRefusesWhatItCannotWorkWith(t *testing.T) {
	var none codec.Codec[uint8]
	var noTag codec.Codec[bool]
	one := codec.Uint8
	a := func(r *refusedRow) *uint8 { return &r.A }
	sum := func([]byte) uint8 { return 0 }
	body := func(uint8) codec.Codec[uint8] { return one }
	same := func(v uint8) (uint8, error) { return v, nil }
	tag := func(v uint8) uint8 { return v }
	join := func(n uint8, _ uint8) circle { return circle(n) }
	split := func(c circle) (uint8, uint8) { return uint8(c), 0 }
	other := codec.Default[shape](one, join, split)
	unknown := codec.UnknownTags(func(r *refusedRow) *[]codec.UnknownTag[uint8] { return &r.U })
	unknown2 := codec.UnknownTags(func(r *refusedRow) *[]codec.UnknownTag[uint8] { return &r.V })
	required := codec.RequiredTag(uint8(1), "a", a, one)
	length := codec.NewLength(codec.Uint8)
	conn, _ := chanio.Pipe()
	for _, c := range []struct {
		text  string
		build func()
	}{
		{"Bits: the Codec is nil", func() { codec.Bits[uint8, refusedRow](nil) }},
		{"Bits: the number must be unsigned", func() { codec.Bits(codec.Int8, codec.SpareBits[refusedRow](8)) }},
		{"a fixed width of 8 to 64 bits", func() { codec.Bits(codec.Uvarint, codec.SpareBits[refusedRow](8)) }},
		{`BitField: "a" must have 1 to 8 bits, got 0`, func() { codec.BitField("a", 0, a) }},
		{`BitField: "a" must have 1 to 8 bits, got 9`, func() { codec.BitField("a", 9, a) }},
		{"Bits: the number is encoded in 2 bytes and its type has 1", func() {
			narrow := codec.Map(codec.Uint16, func(n uint16) (uint8, error) { return uint8(n), nil }, func(n uint8) (uint16, error) { return uint16(n), nil })
			codec.Bits(narrow, codec.SpareBits[refusedRow](16))
		}},
		{`BitField: the accessor of "a" is nil`, func() { codec.BitField[refusedRow, uint8]("a", 8, nil) }},
		{`BitFlag: the accessor of "a" is nil`, func() { codec.BitFlag[refusedRow]("a", nil) }},
		{"Bits: field 1 was not made by BitField", func() { codec.Bits(one, codec.SpareBits[refusedRow](8), codec.BitsOf[refusedRow]{}) }},
		{"WideBits: field 0 was not made by BitField", func() { codec.WideBits(codec.BitsOf[refusedRow]{}, codec.SpareBits[refusedRow](8)) }},
		{"OneOf: case 1 was not made by", func() { codec.OneOf(one, other, codec.CaseOf[uint8, shape]{}) }},
		{"CRC32: the Codec is nil", func() { codec.CRC32(none) }},
		{"Netstring: the Codec is nil", func() { codec.Netstring(none) }},
		{"UnixTime: the Codec is nil", func() { codec.UnixTime(none, time.Second) }},
		{"Frame: the Conn is nil", func() { codec.Frame(nil, one) }},
		{"Frame: the Codec is nil", func() { codec.FrameBoth(conn, none, one) }},
		{"Frame: the Codec is nil", func() { codec.FrameBoth(conn, one, none) }},
		{"Packets: the Duplex is nil", func() { codec.Packets(nil, one, nil) }},
		{"NewDecoder: the io.Reader is nil", func() { codec.NewDecoder(nil, one) }},
		{"NewEncoder: the io.Writer is nil", func() { codec.NewEncoder(nil, one) }},
		{"NewStreamReader: the ByteSource is nil", func() { codec.NewStreamReader(nil) }},
		{"SpareBits: bits must be 1 to 64, got 0", func() { codec.SpareBits[refusedRow](0) }},
		{"SpareBits: bits must be 1 to 64, got 65", func() { codec.SpareBits[refusedRow](65) }},
		{"WideBits: the fields have 0 bits", func() { codec.WideBits[refusedRow]() }},
		{"WideBits: the fields have 9 bits", func() { codec.WideBits(codec.SpareBits[refusedRow](9)) }},
		{"Checksum: the Codec is nil", func() { codec.Checksum(none, one, sum) }},
		{"Checksum: sum: the Codec is nil", func() { codec.Checksum(one, none, sum) }},
		{"Checksum: the function is nil", func() { codec.Checksum(one, one, nil) }},
		{"Compressed: the Codec is nil", func() { codec.Compressed(codec.Gzip, none) }},
		{"Compressed: the Compression is nil", func() { codec.Compressed(nil, one) }},
		{"Delimited: the Codec is nil", func() { codec.Delimited(none, "x") }},
		{"Delimited: Max: the codec takes at least 8 bytes", func() { codec.Delimited(codec.Uint64, "x", codec.Max(7)) }},
		{"KeepDelimiter and OrEnd exclude each other", func() { codec.Delimited(codec.String, "x", codec.KeepDelimiter(), codec.OrEnd()) }},
		{"Escape excludes KeepDelimiter", func() { codec.Delimited(codec.String, "x", codec.Escape('\\'), codec.KeepDelimiter()) }},
		{"Escape excludes KeepDelimiter", func() { codec.Delimited(codec.String, "x", codec.Escape('\\'), codec.UnlessBefore(" ")) }},
		{"that is not the escape itself", func() { codec.Delimited(codec.String, "x", codec.Escape('x')) }},
		{"DelimitedBy: the Codec is nil", func() { codec.DelimitedBy(none, func(uint8) string { return "x" }, "x") }},
		{"choose and at least one delimiter", func() { codec.DelimitedBy(one, nil, "x") }},
		{"choose and at least one delimiter", func() { codec.DelimitedBy(one, func(uint8) string { return "x" }) }},
		{"Delimited: a delimiter is empty", func() { codec.Delimited(codec.String, "x", codec.Or("")) }},
		{"Separated: the Codec is nil", func() { codec.Separated(none, ",") }},
		{"Separated: a delimiter is empty", func() { codec.Separated(one, "") }},
		{"Enum: the Codec is nil", func() { codec.Enum(none, map[string]uint8{"a": 1}) }},
		{"Enum: at least one value", func() { codec.Enum(one, map[string]uint8{}) }},
		{"Exactly: the Codec is nil", func() { codec.Exactly(1, none) }},
		{"Padded: the Codec is nil", func() { codec.Padded(1, 0, none) }},
		{"Padded: n must be at least 1, got 0", func() { codec.Padded(0, 0, codec.String) }},
		{"Padded: the codec takes at least 2 bytes and the limit is 1", func() { codec.Padded(1, 0, codec.Uint16) }},
		{"Aligned: the Codec is nil", func() { codec.Aligned(4, none) }},
		{"Aligned: n must be at least 1, got 0", func() { codec.Aligned(0, one) }},
		{"Aligned: the codec takes all bytes up to the end", func() { codec.Aligned(4, codec.String) }},
		{"Skip: n must be at least 1, got 0", func() { codec.Skip(0) }},
		{"Header: tag: the Codec is nil", func() { codec.Header(none, body, tag) }},
		{"Header: both functions are needed", func() { codec.Header(one, nil, tag) }},
		{"Header: both functions are needed", func() { codec.Header(one, body, nil) }},
		{"Header: tag: the codec takes all bytes", func() {
			codec.Header(codec.String, func(string) codec.Codec[uint8] { return one }, func(uint8) string { return "" })
		}},
		{"FirstByte: both functions are needed", func() { codec.FirstByte(body, nil) }},
		{"FirstByte: both functions are needed", func() { codec.FirstByte(nil, body) }},
		{"OneOf: tag: the Codec is nil", func() { codec.OneOf(none, other) }},
		{"OneOf: at least one Case is needed", func() { codec.OneOf[uint8, shape](one) }},
		{"OneOf: more than one Default", func() { codec.OneOf(one, other, other) }},
		{"Case: the Codec is nil", func() { codec.Case[shape, circle](uint8(1), nil) }},
		{"Case: uint8 does not implement", func() { codec.Case[shape](uint8(1), one) }},
		{"Default: the Codec is nil", func() { codec.Default[shape](none, join, split) }},
		{"Default: both functions are needed", func() { codec.Default[shape](one, nil, split) }},
		{"Default: both functions are needed", func() { codec.Default[shape](one, join, nil) }},
		{"NewLength: length: the Codec is nil", func() { codec.NewLength(none) }},
		{"the length has no end of its own", func() { codec.NewLength(codec.Decimal[int]()) }},
		{"Limit: the Codec is nil", func() { codec.Limit(1, none) }},
		{"Limit: max must be at least 1, got 0", func() { codec.Limit(0, codec.String) }},
		{"Map: both functions are needed", func() { codec.Map[uint8, uint8](one, nil, same) }},
		{"Map: both functions are needed", func() { codec.Map[uint8, uint8](one, same, nil) }},
		{"As: the Codec is nil", func() { codec.As[circle](none) }},
		{"As: uint8 and string differ", func() { codec.As[string](one) }},
		{"Optional: flag: the Codec is nil", func() { codec.Optional(noTag, one) }},
		{"Optional: the Codec is nil", func() { codec.Optional(codec.Bool, none) }},
		{"OptionalTail: the Codec is nil", func() { codec.OptionalTail(none) }},
		{"OptionalTail: the codec takes no bytes", func() { codec.OptionalTail(codec.Empty[int]()) }},
		{"PairOf: the Codec is nil", func() { codec.PairOf(none, one) }},
		{"PairOf: the Codec is nil", func() { codec.PairOf(one, none) }},
		{"PairBy: the Codec is nil", func() { codec.PairBy(none, body) }},
		{"PairBy: the function is nil", func() { codec.PairBy[uint8, uint8](one, nil) }},
		{"Between: the Codec is nil", func() { codec.Between(nil, none, nil) }},
		{"Between: the codec takes all bytes", func() { codec.Between(nil, codec.String, codec.Const("x")) }},
		{"Prefixed: length: the Codec is nil", func() { codec.Prefixed(none, one) }},
		{"Prefixed: body: the Codec is nil", func() { codec.Prefixed(one, none) }},
		{"Nullable: an unsigned length cannot be -1", func() { codec.Nullable(codec.Uint8, one) }},
		{"Record: at least one Field", func() { codec.Record[refusedRow]() }},
		{"Record: field 0 was not made by Field", func() { codec.Record(codec.FieldOf[refusedRow]{}) }},
		{"takes all bytes up to the end, and others follow it", func() {
			codec.Record(codec.Field("text", func(r *refusedRow) *string { return &r.Text }, codec.String), codec.Field("a", a, one))
		}},
		{"follows an OptionalTail", func() {
			codec.Record(codec.Field("p", func(r *refusedRow) **uint8 { return &r.P }, codec.OptionalTail(one)), codec.Field("a", a, one))
		}},
		{"Field a: the Codec is nil", func() { codec.Field("a", a, none) }},
		{`the accessor of "a" is nil`, func() { codec.Field[refusedRow, uint8]("a", nil, one) }},
		{`the accessor of "p" must return a pointer into`, func() { codec.Field("p", func(r *refusedRow) *uint8 { return r.P }, one) }},
		{`the accessor of "p" must return a pointer into`, func() { codec.Field("p", func(*refusedRow) *uint8 { return new(uint8) }, one) }},
		{"FieldIf a: the Codec is nil", func() { codec.FieldIf("a", a, none, func(refusedRow) bool { return true }) }},
		{"FieldIf a: the function is nil", func() { codec.FieldIf("a", a, one, nil) }},
		{"FieldBy a: the function is nil", func() { codec.FieldBy("a", a, nil) }},
		{"Literal: the Codec is nil", func() { codec.Literal[refusedRow](nil) }},
		{"Recursive: build is nil", func() { codec.Recursive[uint8](nil) }},
		{"Recursive: the Codec is nil", func() { codec.Recursive(func(codec.Codec[uint8]) codec.Codec[uint8] { return nil }) }},
		{"Repeated: count: length: the Codec is nil", func() { codec.Repeated(none, one) }},
		{"Repeated: the Codec is nil", func() { codec.Repeated(one, none) }},
		{"Array: the Codec is nil", func() { codec.Array(1, none) }},
		{"Array: n must be at least 1, got 0", func() { codec.Array(0, one) }},
		{"Array: the codec takes all bytes", func() { codec.Array(2, codec.String) }},
		{"ToEnd: the Codec is nil", func() { codec.ToEnd(none) }},
		{"Until: end is empty", func() { codec.Until("", one) }},
		{"Until: the Codec is nil", func() { codec.Until("x", none) }},
		{"COBS: the Codec is nil", func() { codec.COBS(none) }},
		{"SLIP: the Codec is nil", func() { codec.SLIP(none) }},
		{"Suffixed: the Codec is nil", func() { codec.Suffixed(none, "x") }},
		{"NewSwitchable: the Codec is nil", func() { codec.NewSwitchable(none) }},
		{"Switchable: the Codec is nil", func() { codec.NewSwitchable(one).Set(nil) }},
		{"Switchable: only one of the old and the new codec", func() { codec.NewSwitchable(codec.Bytes).Set(codec.Prefixed(one, codec.Bytes)) }},
		{"Charset: the charset is nil", func() { codec.Charset(nil) }},
		{"DecimalWidth: width must be at least 1, got 0", func() { codec.DecimalWidth[int](0) }},
		{"TLV: tag: the Codec is nil", func() { codec.TLV(none, length, required) }},
		{"TLV: tag: the codec takes all bytes", func() {
			codec.TLV(codec.String, length, codec.RequiredTag("x", "a", a, one))
		}},
		{"TLV: 1 to 64 fields are possible, got 0", func() { codec.TLV[uint8, refusedRow](one, length) }},
		{"TLV: 1 to 64 fields are possible, got 65", func() { codec.TLV(one, length, make([]codec.TagOf[uint8, refusedRow], 65)...) }},
		{"TLV: field 0 was not made by", func() { codec.TLV(one, length, codec.TagOf[uint8, refusedRow]{}) }},
		{"at most one UnknownTags", func() { codec.TLV(one, nil, unknown) }},
		{"at most one UnknownTags", func() { codec.TLV(one, length, unknown, unknown2) }},
		{"TLV: duplicate tag 1", func() { codec.TLV(one, length, required, required) }},
		{"TLV: text: the codec takes all bytes", func() {
			codec.TLV(one, nil, codec.RequiredTag(uint8(1), "text", func(r *refusedRow) *string { return &r.Text }, codec.String))
		}},
		{"TLV: s: the Codec is nil", func() { codec.RepeatedTag(uint8(1), "s", func(r *refusedRow) *[]uint8 { return &r.S }, none) }},
		{"UnixTime: the unit must divide a second, got 0s", func() { codec.UnixTime(codec.Int64, 0) }},
		{"UnixTime: the unit must divide a second, got 3ns", func() { codec.UnixTime(codec.Int64, 3*time.Nanosecond) }},
		{"Resync: magic is empty", func() { codec.Resync(chanio.FromSlice[[]byte](nil), "", one, nil) }},
		{"Resync: the Codec is nil", func() { codec.Resync(chanio.FromSlice[[]byte](nil), "x", none, nil) }},
		{"Decode: the Codec is nil", func() { codec.Decode(chanio.FromSlice[[]byte](nil), none) }},
		{"Recv: the Codec is nil", func() { _, _ = codec.Recv(t.Context(), chanio.FromSlice[[]byte](nil), none) }},
		{"Encode: the Codec is nil", func() {
			codec.Encode(chanio.NewSink(chanio.SinkHooks[[]byte]{Send: func(context.Context, []byte) error { return nil }}), none)
		}},
		{"Packets: the Codec is nil", func() { codec.Packets(&chanio.Duplex[chanio.Packet, chanio.Packet]{}, none, nil) }},
		{"NewDecoder: the Codec is nil", func() { codec.NewDecoder(io.NopCloser(nil), none) }},
		{"NewEncoder: the Codec is nil", func() { codec.NewEncoder(io.Discard, none) }},
		{"Reader.Find: sep is empty", func() { _, _ = codec.NewReader(nil).Find("", 1) }},
		{"the Reader is not from NewStreamReader", func() { _ = codec.NewReader(nil).Begin(t.Context()) }},
	} {
		panics(t, c.text, c.build)
	}
}

// The cases below hold errors of an inner codec and bounds that could be off by one.
func TestErrorsOfInnerCodecsAreNotLost(t *testing.T) {
	codectest.Refuses(t, codec.Prefixed(codec.Uint16, codec.Compressed(codec.Gzip, codec.String)), "\xff", codec.ErrMalformed)
	utf := codec.Charset(charmap.ISO8859_1)
	inside := codec.PairOf(codec.Header(codec.Uint8, func(uint8) codec.Codec[string] { return utf }, func(string) uint8 { return 1 }), codec.Uint8)
	codectest.Rejects(t, inside, "01 61 62", codec.ErrMalformed, 1)

	size := codec.SizeOf(codec.Prefixed(codec.Uint32, codec.Bytes, codec.Max(math.MaxInt32)))
	require.Equal(t, 4, size.Min)
}
