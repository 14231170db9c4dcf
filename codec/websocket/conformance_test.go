package websocket_test

import (
	"encoding/binary"
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec/websocket"
)

func numbered(i int) websocket.Message {
	p := make([]byte, 1<<10)
	binary.BigEndian.PutUint32(p, uint32(i))
	return websocket.Binary(p)
}

func numberOf(m websocket.Message) int {
	if m.Kind != websocket.BinaryMessage || len(m.Data) != 1<<10 {
		return -1
	}
	return int(binary.BigEndian.Uint32(m.Data))
}

// TestConformance tests each direction separately: a Close frame is answered by the other side, so no half-close lasts.
func TestConformance(t *testing.T) {
	roles(t, func(t *testing.T, client bool) {
		chaniotest.TestStream(t, chaniotest.Streams[websocket.Message]{
			Connect: func(testing.TB) (*chanio.Sink[websocket.Message], *chanio.Source[websocket.Message]) {
				a, b := chanio.Pipe()
				near := websocket.NewConn(a, &websocket.Config{Client: client, PingAfter: -1})
				far := websocket.NewConn(b, &websocket.Config{Client: !client, PingAfter: -1})
				return near.Out, far.In
			},
			Make: numbered, Number: numberOf,
			// The peer's reading ahead is progress, so Close waits a quarter of the linger bound longer.
			Facts: chaniotest.Facts{Bubble: true, Linger: 5 * chanio.DefaultLinger / 4},
		})
	})
}
