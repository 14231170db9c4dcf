package websocket_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// TestEveryFirstByteMeansWhatTheRFCSays sends an empty frame with each first byte there is, between messages and within
// one, and each of them at once and in two writes. It covers classes 3, 4 and 5.
func TestEveryFirstByteMeansWhatTheRFCSays(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		for n := range 256 * 4 {
			first, within, split := byte(n), n&256 != 0, n&512 != 0
			t.Run(fmt.Sprintf("%#02x within %v split %v", first, within, split), func(t *testing.T) {
				_, peer := newEcho(t, client, nil)
				if within {
					peer.send(frame(more, websocket.OpText, "begun"))
				}
				p := []byte{first, 0x80, 1, 2, 3, 4}
				if client {
					p = []byte{first, 0}
				}
				if split {
					peer.write(p[:1])
					require.NoError(t, peer.conn.Out.Flush(peer.ctx))
					p = p[1:]
				}
				peer.write(p)
				op, isFin := websocket.Opcode(first&0x0f), first&0x80 != 0
				switch {
				case first&0x70 != 0, op > websocket.OpBinary && op < websocket.OpClose, op > websocket.OpPong,
					op >= websocket.OpClose && !isFin, within && (op == websocket.OpText || op == websocket.OpBinary),
					!within && op == websocket.OpContinuation:
					peer.expectClose(1002)
					peer.expectEnd()
					return
				case op == websocket.OpClose:
					peer.expectClose(websocket.NoStatus)
					peer.expectEnd()
					return
				case op == websocket.OpPing:
					peer.expect(websocket.OpPong, "")
				case op == websocket.OpPong:
				case within && isFin:
					peer.expect(websocket.OpText, "begun")
					within = false
				case isFin:
					peer.expect(op, "")
				case !within:
					peer.send(frame(fin, websocket.OpContinuation, "rest"))
					peer.expect(op, "rest")
				}
				if within {
					peer.send(frame(fin, websocket.OpContinuation, "rest"))
					peer.expect(websocket.OpText, "begunrest")
				}
				peer.send(text("lives"))
				peer.expect(websocket.OpText, "lives")
			})
		}
	})
}
