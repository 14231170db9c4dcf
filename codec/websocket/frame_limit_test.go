package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

func TestLimitOfFramesIsTheLargestPayload(t *testing.T) {
	limit, wide := websocket.Frames(10), websocket.Frames(0)
	for n, ok := range map[int]bool{10: true, 11: false} {
		f := websocket.Frame{Fin: true, Opcode: websocket.OpBinary, Payload: make([]byte, n)}
		_, err := codec.Marshal(limit, f)
		p, wideErr := codec.Marshal(wide, f)
		require.NoError(t, wideErr)
		_, decodeErr := codec.Unmarshal(limit, p)
		if ok {
			require.NoError(t, err)
			require.NoError(t, decodeErr)
		} else {
			require.ErrorIs(t, err, websocket.ErrTooLarge)
			require.ErrorIs(t, decodeErr, websocket.ErrTooLarge)
		}
	}
}
