package codec_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/codec"
)

// A length of one more than the default is rejected before the bytes arrive. For the default itself the decoder waits.
func TestDefaultsBoundWhatALengthMayAnnounce(t *testing.T) {
	for name, c := range map[string]struct {
		decode func(p []byte) error
		most   uint32
	}{
		"bytes": {func(p []byte) error {
			_, err := codec.Unmarshal(codec.Prefixed(codec.Uint32, codec.Bytes), p)
			return err
		}, codec.DefaultMax},
		"values": {func(p []byte) error {
			_, err := codec.Unmarshal(codec.Repeated(codec.Uint32, codec.Uint8), p)
			return err
		}, codec.DefaultMaxCount},
	} {
		announce := func(n uint32) error { return c.decode(binary.BigEndian.AppendUint32(nil, n)) }
		require.ErrorIs(t, announce(c.most+1), codec.ErrTooLarge, name)
		require.NotErrorIs(t, announce(c.most), codec.ErrTooLarge, name)
		require.Error(t, announce(c.most), name)
	}
}
