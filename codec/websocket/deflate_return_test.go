package websocket_test

import (
	"compress/flate"
	"context"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
)

// TestCompressorOfAnEndedConnectionIsUsedAgain opens connections with context takeover one after the other. Each ends in
// another way, some while a message waits for room.
func TestCompressorOfAnEndedConnectionIsUsedAgain(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector a sync.Pool drops values at random")
	}
	var made atomic.Int32
	deflate := &websocket.Deflate{Takeover: true, From: 1}
	deflate.NewWriter = func(dst io.Writer, level int) (websocket.Compressor, error) {
		made.Add(1)
		return flate.NewWriter(dst, level)
	}
	noise := make([]byte, 100_000)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	const rounds = 60
	for n := range rounds {
		a, b := chanio.Pipe()
		server := websocket.NewConn(a, &websocket.Config{Deflate: deflate, Extension: &websocket.Extension{}})
		client := websocket.NewConn(b, &websocket.Config{Client: true, Deflate: &websocket.Deflate{}, Extension: &websocket.Extension{}})
		for _, text := range []string{"one message", "another message"} { // nothing refers to what another connection has sent
			require.NoError(t, server.Out.Send(t.Context(), websocket.Text(text)))
			m, err := client.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, text, m.String())
		}
		stuck := make(chan error, 1)
		if n%2 == 0 {
			go func() {
				for {
					if err := server.Out.Send(context.Background(), websocket.Binary(noise)); err != nil {
						stuck <- err
						return
					}
				}
			}()
		} else {
			stuck <- nil
		}
		switch n % 3 {
		case 0:
			server.Abort(io.ErrNoProgress)
		case 1:
			server.Abort(&websocket.CloseError{Code: 4000})
			client.Abort(nil)
		case 2:
			client.Abort(io.ErrNoProgress)
			_, err := server.In.Recv(t.Context())
			require.Error(t, err)
		}
		<-server.Done()
		<-stuck
	}
	require.Less(t, int(made.Load()), rounds/2, "of %d connections", rounds)
}
