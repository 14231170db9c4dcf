package coder_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	ws "github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/codec/websocket/coder"
)

// connected returns both ends of a connection: that of Duplex, and that of a peer of this project. The peer must be closed.
func connected(t *testing.T) (*ws.Conn, *chanio.Duplex[websocket.Message, websocket.Message], *websocket.Conn) {
	accepted := make(chan *ws.Conn, 1)
	url := accept(t, nil, func(_ context.Context, c *ws.Conn) { accepted <- c })
	peer, err := httpc.DialWebSocket(within(t), url, nil)
	require.NoError(t, err)
	c := <-accepted
	d := coder.Duplex(c)
	t.Cleanup(func() {
		peer.Abort(nil)
		d.Out.Abort(nil)
	})
	return c, d, peer
}

func TestClosedInDropsMessagesAndOutStays(t *testing.T) {
	for _, reading := range []bool{false, true} {
		_, d, peer := connected(t)
		if reading {
			ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, err := d.In.Recv(ended)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		require.NoError(t, d.In.Close())
		for range 3 {
			require.NoError(t, peer.Out.Send(within(t), websocket.Text("dropped")))
		}
		_, err := peer.Ping(within(t)) // everything before it has been read
		require.NoError(t, err)
		require.NoError(t, d.Out.Send(within(t), websocket.Text("alive")))
		m, err := peer.In.Recv(within(t))
		require.NoError(t, err)
		require.Equal(t, "alive", m.String())
		require.NoError(t, peer.Out.Close())
		_, err = peer.In.Recv(within(t))
		require.ErrorIs(t, err, io.EOF)
	}
}

// TestClosedInEndsARecvThatWaits closes In during a Recv. Something still reads afterwards: the peer's pings are answered.
func TestClosedInEndsARecvThatWaits(t *testing.T) {
	for range 20 {
		_, d, peer := connected(t)
		got := make(chan error, 1)
		go func() {
			_, err := d.In.Recv(within(t))
			got <- err
		}()
		closed := make(chan error, 1)
		go func() { closed <- d.In.Close() }()
		for range 3 {
			require.NoError(t, peer.Out.Send(within(t), websocket.Text("x")))
		}
		require.NoError(t, <-closed)
		if err := <-got; err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
		}
		_, err := peer.Ping(within(t))
		require.NoError(t, err)
		peer.Abort(nil)
		d.Out.Abort(nil)
	}
}

func TestTextThatIsNotUTF8IsRejected(t *testing.T) {
	_, d, peer := connected(t)
	require.ErrorIs(t, d.Out.Send(within(t), websocket.Message{Kind: websocket.TextMessage, Data: []byte{0xff}}), websocket.ErrMessage)
	require.NoError(t, d.Out.Send(within(t), websocket.Text("fine")))
	m, err := peer.In.Recv(within(t))
	require.NoError(t, err)
	require.Equal(t, "fine", m.String())
}

func TestSendThatIsCancelledWhileAnotherWritesHasNoEffect(t *testing.T) {
	_, d, peer := connected(t)
	large := websocket.Binary(make([]byte, 16<<20)) // more than the system buffers
	sent := make(chan error, 1)
	parts := make(chan error, 1)
	go func() { sent <- d.Out.Send(within(t), large) }()
	_, in, err := peer.RecvParts(within(t), 0) // the message has begun
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.Out.Send(short, websocket.Text("waits")), context.DeadlineExceeded)
	go func() {
		n := 0
		for p := range in.All(within(t)) {
			n += len(p)
		}
		if n != len(large.Data) {
			parts <- errors.New("cut")
		}
		parts <- in.Err()
	}()
	require.NoError(t, <-sent)
	require.NoError(t, <-parts)
}

func TestMessageBeyondTheReadLimitIs1009(t *testing.T) {
	c, d, peer := connected(t)
	c.SetReadLimit(10)
	require.NoError(t, peer.Out.Send(within(t), websocket.Text(strings.Repeat("x", 100))))
	_, err := d.In.Recv(within(t))
	require.ErrorIs(t, err, websocket.ErrTooLarge)
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	require.Equal(t, websocket.TooBig, end.Code)
}

func TestAbortWithACodeDoesNotWaitForTheAnswer(t *testing.T) {
	_, d, peer := connected(t)
	parts, err := peer.SendParts(within(t), websocket.TextMessage) // nobody answers a Close frame yet
	require.NoError(t, err)
	d.Out.Abort(&websocket.CloseError{Code: 4000})
	select {
	case <-d.Released:
		t.Error("Abort has waited")
	default:
	}
	_ = parts.Close()
	_, err = peer.In.Recv(within(t))
	var end *websocket.CloseError
	require.ErrorAs(t, err, &end)
	require.Equal(t, websocket.Code(4000), end.Code)
	<-d.Released
}
