package codec_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/codectest"
)

func TestAFrameThatEndsInsideAUUIDIsUnexpectedEOF(t *testing.T) {
	c := codec.Prefixed(codec.Uint8, codec.UUID[[16]byte]())
	codectest.Rejects(t, c, "00", io.ErrUnexpectedEOF, 1)
	codectest.Rejects(t, c, "0f 000102030405060708090a0b0c0d0e", io.ErrUnexpectedEOF, 1)
}

func TestFloatTextAddsAPointToNumbersWithTheDigits0And9(t *testing.T) {
	for number, want := range map[float64]string{0: "0.0", 9: "9.0", 90: "90.0", -909: "-909.0"} {
		p, err := codec.Marshal(codec.FloatText, number)
		require.NoError(t, err)
		require.Equal(t, want, string(p))
	}
}

func TestUnlimitInAStreamThatEndsEarlierIsUnexpectedEOF(t *testing.T) {
	r := codec.NewReader([]byte{1, 2})
	outer, err := r.Limit(5)
	require.NoError(t, err)
	require.NoError(t, r.Skip(1))
	require.ErrorIs(t, r.Unlimit(outer), io.ErrUnexpectedEOF)
}
