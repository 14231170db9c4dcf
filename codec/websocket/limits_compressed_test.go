package websocket_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestMaxMessageLimitsTheDataOfACompressedMessage sends noise, which is larger when it is compressed.
func TestMaxMessageLimitsTheDataOfACompressedMessage(t *testing.T) {
	for _, size := range []int{600, 100_000, websocket.DefaultMaxMessage} {
		for _, parts := range []bool{false, true} {
			cfg := websocket.Config{
				MaxMessage: size, Deflate: &websocket.Deflate{},
				Extension: &websocket.Extension{ServerNoTakeover: true, ClientNoTakeover: true},
			}
			a, b := chanio.Pipe()
			receiver := websocket.NewConn(a, &cfg)
			cfg.Client = true
			sender := websocket.NewConn(b, &cfg)
			t.Cleanup(func() {
				receiver.Abort(nil)
				sender.Abort(nil)
			})
			noise := make([]byte, size+1)
			_, _ = rand.NewChaCha8([32]byte{}).Read(noise) // it never fails
			ctx := within(t)
			sent := make(chan error, 1)
			go func() {
				_, err := sender.Out.SendAll(ctx, websocket.Binary(noise[:size]), websocket.Binary(noise))
				sent <- err
			}()
			var got []byte
			if parts {
				_, src, err := receiver.RecvParts(ctx, int64(size))
				require.NoError(t, err)
				for p := range src.All(ctx) {
					got = append(got, p...)
				}
			} else {
				m, err := receiver.In.Recv(ctx)
				require.NoError(t, err)
				got = m.Data
			}
			require.Equal(t, noise[:size], got)
			_, err := receiver.In.Recv(ctx)
			require.ErrorIs(t, err, websocket.ErrTooLarge)
			<-sent
		}
	}
}
