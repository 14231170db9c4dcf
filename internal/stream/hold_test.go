package stream_test

import (
	"crypto/tls"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/internal/memconn"
	"github.com/weir-go/weir/internal/stream"
)

// The last record finds no room in the lower stream, and nobody writes, flushes or reads afterwards.
func TestTheLastRecordLeavesWhenTheLowerStreamHasRoomAgain(t *testing.T) {
	near, far := memconn.Pipe(1000)
	server, cfg := tlsConfigs()
	nc := tls.Client(far, cfg)
	handshake := make(chan error, 1)
	go func() { handshake <- nc.Handshake() }()
	s, err := stream.TLSServer(bg, lowerOf(stream.New(near, config(&stream.Config{SendBuffer: 1}))), server, false)
	require.NoError(t, err)
	require.NoError(t, <-handshake)
	x := stream.New(s, config(nil))
	defer x.Abort(nil)
	want := data(60 << 10)
	for part := want; len(part) > 0; part = part[10<<10:] {
		require.NoError(t, x.Out.Send(bg, part[:10<<10]))
	}
	got := make([]byte, len(want))
	within(t, 10*time.Second, "the peer", func() {
		_, err := io.ReadFull(nc, got)
		require.NoError(t, err)
	})
	require.Equal(t, want, got)
}

// The consumer owns the window, even after another goroutine has closed its half.
func TestAReleaseDoesNotTouchWhatAConsumerUses(t *testing.T) {
	each(t, nil, nil, func(t *testing.T, x, y *stream.Stream) {
		require.NoError(t, y.Out.Send(bg, data(4000)))
		require.NoError(t, x.In.Fill(bg, 1))
		require.NoError(t, x.In.Close())
		var closing sync.WaitGroup
		closing.Go(func() { _ = x.Out.Close() })
		for done := false; !done; {
			select {
			case <-x.Released():
				done = true
			default:
			}
			p := x.In.Clone(x.In.Buffered())
			x.In.Discard(len(p))
			x.In.Unread(p)
			_ = x.In.Fill(bg, len(p)+1)
		}
		closing.Wait()
	})
}
