package websocket_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// outFails runs f with a connection whose Out has failed, and the peer's half.
func outFails(t *testing.T, f func(t *testing.T, conn *websocket.Conn, peer *chanio.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := chanio.Pipe()
		defer far.Abort(nil)
		below := chanio.ConnOf(near.In, chanio.ToWriter(&failsLater{written: true}), nil)
		conn := websocket.NewConn(below, &websocket.Config{Client: true, PingAfter: -1, CloseTimeout: time.Second})
		defer conn.Abort(nil)
		_ = conn.Out.Send(t.Context(), websocket.Text("x"))
		require.Error(t, conn.Out.Flush(t.Context()))
		synctest.Wait()
		f(t, conn, far)
	})
}

// A connection of which nothing more can be sent is released although its peer is silent and nobody receives.
func TestEndsAfterOutFailed(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, c *websocket.Conn){
		"nobody receives": func(*testing.T, *websocket.Conn) {},
		"in was closed":   func(t *testing.T, c *websocket.Conn) { require.NoError(t, c.In.Close()) },
		"somebody receives": func(t *testing.T, c *websocket.Conn) {
			_, err := c.In.Recv(t.Context())
			require.ErrorContains(t, err, "broken")
		},
	} {
		t.Run(name, func(t *testing.T) {
			outFails(t, func(t *testing.T, conn *websocket.Conn, _ *chanio.Conn) {
				before(t, conn)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				select {
				case <-conn.Done():
				case <-ctx.Done():
					t.Fatal("not released")
				}
				require.ErrorContains(t, conn.Out.Err(), "broken")
			})
		})
	}
}

// What a live peer sends is received although nothing more can be sent to it.
func TestReceivesAfterOutFailed(t *testing.T) {
	outFails(t, func(t *testing.T, conn *websocket.Conn, peer *chanio.Conn) {
		go func() {
			for range 100 {
				if peer.Out.Send(t.Context(), []byte("\x81\x01m")) != nil {
					return
				}
				time.Sleep(900 * time.Millisecond)
			}
			_ = peer.Out.Close()
		}()
		for range 100 {
			m, err := conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "m", string(m.Data))
		}
		_, err := conn.In.Recv(t.Context())
		require.Error(t, err)
		<-conn.Done()
	})
}
