package websocket_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// slowToReturn is a connection whose Write passes its bytes on at once and returns later.
type slowToReturn struct {
	net.Conn
	release chan struct{}
}

func (c slowToReturn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	<-c.release
	return n, err
}

// TestAnswerThatComesBeforeTheCloseFrameHasBeenFlushedIsNoError checks that a code which the peer echoes is not taken for
// one that the peer chose.
func TestAnswerThatComesBeforeTheCloseFrameHasBeenFlushedIsNoError(t *testing.T) {
	a, b := net.Pipe()
	release := make(chan struct{})
	once := sync.OnceFunc(func() { close(release) })
	conn := websocket.NewConn(chanio.NewConn(slowToReturn{a, release}, nil), nil)
	peer := &raw{t: t, ctx: within(t), conn: chanio.NewConn(b, nil), masks: true}
	t.Cleanup(func() {
		once()
		conn.Abort(nil)
		peer.conn.Abort(nil)
	})
	closed := make(chan error, 1)
	go func() { closed <- conn.CloseWith(4000, "enough") }()
	require.Equal(t, "enough", peer.expectClose(4000))
	peer.send(closeFrame(4000, ""))
	_, err := conn.In.Recv(peer.ctx)
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	require.EqualValues(t, 4000, end.Code)
	once()
	peer.expectEnd()
	_ = peer.conn.Close()
	require.NoError(t, <-closed)
}
