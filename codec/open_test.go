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
