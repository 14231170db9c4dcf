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

// A message that was not sent, because a message in parts excludes it, is reported as such: with and without context
// takeover, and whichever call it is.
func TestWhatIsNotSentIsAnError(t *testing.T) {
	calls := map[string]func(ctx context.Context, conn *websocket.Conn) error{
		"Send": func(ctx context.Context, conn *websocket.Conn) error {
			return conn.Out.Send(ctx, websocket.Text("lost"))
		},
		"SendAll": func(ctx context.Context, conn *websocket.Conn) error {
			n, err := conn.Out.SendAll(ctx, websocket.Text("lost"), websocket.Text("lost"))
			if n > 0 {
				return nil
			}
			return err
		},
		"TrySend": func(ctx context.Context, conn *websocket.Conn) error {
			ok, err := conn.Out.TrySend(websocket.Text("lost"))
			if !ok && err == nil && ctx.Err() != nil {
				return chanio.Cause(ctx)
			}
			return err
		},
	}
	for _, takeover := range []bool{false, true} {
		for name, call := range calls {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := &websocket.Deflate{Takeover: takeover, From: 1}
					client, server := negotiated(t, &websocket.Deflate{Takeover: takeover}, d, "")
					parts, err := server.SendParts(t.Context(), websocket.TextMessage)
					require.NoError(t, err)
					require.NoError(t, parts.Send(t.Context(), []byte("parts")))
					why := errors.New("why")
					ctx, cancel := context.WithCancelCause(t.Context())
					cancel(why)
					require.ErrorIs(t, call(ctx, server), why)

					ended := make(chan error, 1)
					go func() { ended <- call(t.Context(), server) }()
					synctest.Wait()
					if name != "TrySend" {
						require.Empty(t, ended)
						require.NoError(t, parts.Close())
						require.NoError(t, <-ended)
						_, err := client.In.Recv(t.Context())
						require.NoError(t, err)
						m, err := client.In.Recv(t.Context())
						require.NoError(t, err)
						require.Equal(t, "lost", m.String())
						_, err = server.SendParts(t.Context(), websocket.TextMessage)
						require.NoError(t, err)
						go func() { ended <- call(t.Context(), server) }()
						synctest.Wait()
						require.Empty(t, ended)
						server.Abort(why)
						require.ErrorIs(t, <-ended, why)
					} else {
						require.NoError(t, <-ended)
						server.Abort(net.ErrClosed)
						require.ErrorIs(t, call(t.Context(), server), net.ErrClosed)
					}
					client.Abort(nil)
				})
			})
		}
	}
}
