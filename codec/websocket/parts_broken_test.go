package websocket_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// failing is a connection whose writes wait for cut, and fail then.
type failing struct {
	net.Conn
	cut chan struct{}
}

var errCut = errors.New("the wire is cut")

func (f *failing) Write([]byte) (int, error) {
	<-f.cut
	return 0, errCut
}

func TestPartsThatCannotBeEndedEndBothHalvesWithACloseError(t *testing.T) {
	for range 20 { // whether the connection below or its user learns first is up to the scheduler
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			wire := &failing{a, make(chan struct{})}
			conn := websocket.NewConn(chanio.NewConn(wire, nil), nil)
			parts, err := conn.SendParts(t.Context(), websocket.BinaryMessage)
			require.NoError(t, err)
			sent, closed := make(chan error, 1), make(chan error, 1)
			go func() { sent <- parts.Send(t.Context(), make([]byte, 100_000)) }()
			synctest.Wait()
			go func() { closed <- parts.Close() }()
			synctest.Wait()
			close(wire.cut)
			var end *websocket.CloseError
			for _, err := range []error{<-sent, <-closed} {
				require.ErrorIs(t, err, errCut)
				require.ErrorAs(t, err, &end)
			}
			require.NoError(t, b.Close())
			_, err = conn.In.Recv(t.Context())
			require.ErrorAs(t, err, &end)
			conn.Abort(nil)
			<-conn.Done()
		})
	}
}

func TestTheErrorOfASendIsThatOfTheConnection(t *testing.T) {
	for name, send := range map[string]func(context.Context, *websocket.Conn, websocket.Message) error{
		"Send": func(ctx context.Context, c *websocket.Conn, m websocket.Message) error { return c.Out.Send(ctx, m) },
		"SendAll": func(ctx context.Context, c *websocket.Conn, m websocket.Message) error {
			_, err := c.Out.SendAll(ctx, m, m)
			return err
		},
		"Ping": func(ctx context.Context, c *websocket.Conn, m websocket.Message) error {
			_ = c.Out.Send(ctx, m) // fails too
			synctest.Wait()        // the connection has ended
			_, err := c.Ping(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				wire := &failing{a, make(chan struct{})}
				conn := websocket.NewConn(chanio.NewConn(wire, nil), nil)
				failed := make(chan error, 1)
				go func() {
					failed <- send(t.Context(), conn, websocket.Message{Kind: websocket.BinaryMessage, Data: make([]byte, 100_000)})
				}()
				synctest.Wait()
				close(wire.cut)
				var end *websocket.CloseError
				err := <-failed
				require.ErrorAs(t, err, &end)
				require.ErrorIs(t, err, errCut)
				require.NoError(t, b.Close())
				conn.Abort(nil)
				<-conn.Done()
			})
		})
	}
}
