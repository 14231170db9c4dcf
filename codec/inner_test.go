package codec_test

import (
	"io"
	"testing"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestAFrameMayEndWhereTheOneAroundItEnds(t *testing.T) {
	text := codec.Map(codec.Prefixed(codec.Uint16, codec.String),
		func(s string) (string, error) { return s, nil }, func(s string) (string, error) { return s, nil })
	tagged := codec.PairBy(codec.Uint8, func(uint8) codec.Codec[string] { return text })
	codectest.Vector(t, codec.Prefixed(codec.Uint8, codec.ToEnd(tagged)), "04 01 0001 61", []codec.Pair[uint8, string]{{First: 1, Second: "a"}})
}

func TestARunThatIsCutFailsAtTheFieldThatIsNotWhole(t *testing.T) {
	type run struct {
		A uint32
		B bool
		C uint16
		D string `wire:"rest"`
	}
	c := codec.Prefixed(codec.Uint16, codec.Struct[run]())
	codectest.Rejects(t, c, "0002 0000", io.ErrUnexpectedEOF, 2)           // A, in a frame that is too short
	codectest.Rejects(t, c, "0006 00000000 01 00", io.ErrUnexpectedEOF, 7) // C
	codectest.Rejects(t, c, "0006 00000000 02 00", codec.ErrMalformed, 6)  // B comes first
	codectest.Rejects(t, c, "0010 00000000", io.ErrUnexpectedEOF, 6)       // B, at the end of the stream
}
