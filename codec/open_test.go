package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

// openText is a text that extends to the end of its frame. Only its tag says so.
var openText = codec.Header(codec.Uint8,
	func(uint8) codec.Codec[string] { return codec.String }, func(string) uint8 { return 9 })

func TestFirstByteChecksTheFirstByteOfABody(t *testing.T) {
	bytes := func([]byte) codec.Codec[[]byte] { return codec.Bytes }
	c := codec.FirstByte(func(b byte) codec.Codec[[]byte] {
		if b == 'a' {
			return codec.Bytes
		}
		return nil
	}, bytes)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, c), []byte("ab"))
	codectest.Refuses(t, c, []byte("b"), codec.ErrMismatch)
	codectest.Refuses(t, c, nil, codec.ErrNoProgress)
}

func TestTLVWithoutALengthRefusesAnOpenEndedValue(t *testing.T) {
	type pair struct{ A, B string }
	c := codec.TLV(codec.Uint8, nil,
		codec.RequiredTag(uint8(1), "a", func(o *pair) *string { return &o.A }, openText),
		codec.RequiredTag(uint8(2), "b", func(o *pair) *string { return &o.B }, codec.Prefixed(codec.Uint8, codec.String)))
	codectest.Refuses(t, c, pair{"x", "y"}, codec.ErrMalformed)
	codectest.Rejects(t, c, "01 09 78 02 01 79", codec.ErrMalformed, 2)
	framed := codec.TLV(codec.Uint8, codec.NewLength(codec.Uint8),
		codec.RequiredTag(uint8(1), "a", func(o *pair) *string { return &o.A }, openText),
		codec.RequiredTag(uint8(2), "b", func(o *pair) *string { return &o.B }, openText))
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, framed), pair{"x", "y"})
}

func TestChecksumOfVariableWidthRefusesAnOpenEndedValue(t *testing.T) {
	sum := func([]byte) uint64 { return 300 }
	codectest.Refuses(t, codec.Checksum(openText, codec.Uvarint, sum), "abc", codec.ErrMalformed)
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, codec.Checksum(openText, codec.Uint64, sum)), "abc")
}

func TestADelimiterThatIsKeptIsPartOfTheLeastSize(t *testing.T) {
	kept := codec.Delimited(codec.Exactly(3, codec.String), "\n", codec.KeepDelimiter())
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, codec.Repeated(codec.Uint8, kept)), []string{"ab\n", "cd\n"})
	require.Equal(t, 3, codec.SizeOf(kept).Min)
	require.Equal(t, 2, codec.SizeOf(codec.Delimited(codec.Uint8, "\r\n", codec.KeepDelimiter())).Min)
}

// Such a node ends with the frame, so a decoder could not tell its last child from one of the parent.
func TestRecursiveRefusesOpenEndedValuesWhereOthersFollow(t *testing.T) {
	type node struct {
		N    uint8
		Kids []node
	}
	c := codec.Recursive(func(self codec.Codec[node]) codec.Codec[node] {
		return codec.Record(
			codec.Field("n", func(v *node) *uint8 { return &v.N }, codec.Uint8),
			codec.Field("kids", func(v *node) *[]node { return &v.Kids }, codec.ToEnd(self)))
	})
	codectest.Refuses(t, c, node{1, []node{{2, nil}, {3, nil}}}, codec.ErrMalformed)
	codectest.Rejects(t, c, "01 02 03", codec.ErrMalformed, 2)
}

// A Record within a Record is compiled into it, and must not lose that an open-ended value ends it.
func TestARecordThatMayBeOpenEndedIsRefusedWhereOthersFollow(t *testing.T) {
	type inner struct{ Text string }
	type outer struct {
		Inner inner
		N     uint8
	}
	part := codec.Record(codec.Field("text", func(v *inner) *string { return &v.Text }, openText))
	access := func(v *outer) *inner { return &v.Inner }
	follows := codec.Field("n", func(v *outer) *uint8 { return &v.N }, codec.Uint8)
	for name, c := range map[string]codec.Codec[outer]{
		"Field":   codec.Record(codec.Field("inner", access, part), follows),
		"FieldIf": codec.Record(codec.FieldIf("inner", access, part, func(outer) bool { return true }), follows),
		"FieldBy": codec.Record(codec.FieldBy("inner", access, func(outer) codec.Codec[inner] { return part }), follows),
	} {
		t.Run(name, func(t *testing.T) {
			codectest.Refuses(t, c, outer{inner{"abc"}, 7}, codec.ErrMalformed)
			codectest.Rejects(t, c, "09 61 62 63 07", codec.ErrMalformed, 1)
		})
	}
	framed := codec.Record(codec.Field("inner", access, codec.Prefixed(codec.Uint8, part)), follows)
	codectest.RoundTrip(t, framed, outer{inner{"abc"}, 7})
	codectest.RoundTrip(t, codec.Prefixed(codec.Uint8, part), inner{"abc"})
}
