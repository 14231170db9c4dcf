package websocket_test

import (
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// windowReader uncompresses the messages of a peer with a window of that size, which it keeps between messages.
type windowReader struct {
	size int
	past []byte
}

func (r *windowReader) message(p []byte) ([]byte, error) {
	z := flate.NewReaderDict(strings.NewReader(string(p)+"\x00\x00\xff\xff\x01\x00\x00\xff\xff"), r.past)
	out, err := io.ReadAll(z)
	r.past = append(r.past, out...)
	r.past = r.past[max(len(r.past)-r.size, 0):]
	return out, err
}

// TestSmallWindowsAreNotReferredBeyondWithTakeover sends small messages that repeat only beyond the window that the peer
// has asked for. A reference to the earlier one would be an error to the peer, or other text.
func TestSmallWindowsAreNotReferredBeyondWithTakeover(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noises := make([][]byte, 20) // 2,000 bytes in all, and the window has 256 and more
	for i := range noises {
		noises[i] = make([]byte, 100)
		for j := range noises[i] {
			noises[i][j] = byte(r.Uint32())
		}
	}
	for bits := 8; bits <= 15; bits++ {
		d := &websocket.Deflate{From: 1, Level: 9, Takeover: true}
		agreed := d.Accept([]string{fmt.Sprint("permessage-deflate; server_max_window_bits=", bits)})
		require.NotNil(t, agreed)
		conn, peer := newRaw(t, false, &websocket.Config{Deflate: d, Extension: agreed})
		small := &windowReader{size: 1 << bits}
		for round := range 3 {
			for i, noise := range noises {
				require.NoError(t, conn.Out.Send(peer.ctx, websocket.Binary(noise)))
				f := peer.next()
				require.True(t, f.RSV1)
				got, err := small.message(f.Payload)
				require.NoError(t, err, "%d bits, round %d, message %d", bits, round, i)
				require.Equal(t, noise, got)
			}
		}
	}
}
