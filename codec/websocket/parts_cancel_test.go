package websocket_test

import (
	"bytes"
	"compress/flate"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// deflating is the Config of a Conn whose peer may refer to earlier messages.
func deflating() *websocket.Config {
	return &websocket.Config{Deflate: &websocket.Deflate{}, Extension: &websocket.Extension{}, PingAfter: -1}
}

func TestCancelledRecvPartsLeavesTheMessageWhole(t *testing.T) {
	words := sentences(100_000)
	for name, f := range map[string]websocket.Frame{
		"plain":      text(words),
		"compressed": compressed(fin, websocket.OpText, deflated(t, words)),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, client bool) {
				conn, peer := newRaw(t, client, deflating())
				ended, cancel := context.WithCancel(peer.ctx)
				cancel()
				p := peer.bytes(f)
				peer.write(p[:len(p)/4])
				if f.RSV1 { // a plain one would have begun
					short, cancel := context.WithTimeout(peer.ctx, time.Millisecond)
					_, _, err := conn.RecvParts(short, 0)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					cancel()
				}
				time.Sleep(time.Minute) // some is read ahead
				_, _, err := conn.RecvParts(ended, 0)
				require.ErrorIs(t, err, context.Canceled)
				peer.write(p[len(p)/4:])
				peer.send(text("next"))
				for _, want := range []string{words, "next"} {
					m, err := conn.In.Recv(peer.ctx)
					require.NoError(t, err)
					require.True(t, want == m.String(), "%d bytes", len(m.Data))
				}
			})
		})
	}
}

// TestLargeCompressedMessageThatWasReadAheadIsForRecvParts sends messages that exceed MaxMessage only when they are
// uncompressed. The second refers to the first.
func TestLargeCompressedMessageThatWasReadAheadIsForRecvParts(t *testing.T) {
	words := strings.Repeat(sentences(20_000), 2)
	var wire bytes.Buffer
	z, err := flate.NewWriter(&wire, flate.DefaultCompression)
	require.NoError(t, err)
	next := func() websocket.Frame {
		wire.Reset()
		_, err := z.Write([]byte(words))
		require.NoError(t, err)
		require.NoError(t, z.Flush())
		return compressed(fin, websocket.OpText, strings.TrimSuffix(wire.String(), "\x00\x00\xff\xff"))
	}
	first, second := next(), next()
	start := func(t *testing.T, client bool, frames ...websocket.Frame) (*websocket.Conn, *raw) {
		cfg := deflating()
		cfg.MaxMessage = 30_000
		conn, peer := newRaw(t, client, cfg)
		peer.send(frames...)
		return conn, peer
	}
	t.Run("in pieces", func(t *testing.T) {
		bubble(t, func(t *testing.T, client bool) {
			conn, peer := start(t, client, first, second)
			for range 2 {
				time.Sleep(time.Minute)
				_, parts, err := conn.RecvParts(peer.ctx, 0)
				require.NoError(t, err)
				p, err := chanio.ReadAll(peer.ctx, parts, 1<<20)
				require.NoError(t, err)
				require.True(t, words == string(p))
			}
		})
	})
	t.Run("in pieces when a part was read ahead", func(t *testing.T) {
		bubble(t, func(t *testing.T, client bool) {
			conn, peer := start(t, client)
			p := peer.bytes(first)
			peer.write(p[:100])
			time.Sleep(time.Minute)
			sent := make(chan error, 1)
			go func() { sent <- peer.conn.Out.Send(peer.ctx, p[100:]) }()
			_, parts, err := conn.RecvParts(peer.ctx, 0)
			require.NoError(t, err)
			p, err = chanio.ReadAll(peer.ctx, parts, 1<<20)
			require.NoError(t, err)
			require.True(t, words == string(p))
			require.NoError(t, <-sent)
		})
	})
	t.Run("whole", func(t *testing.T) {
		bubble(t, func(t *testing.T, client bool) {
			conn, peer := start(t, client, first)
			time.Sleep(time.Minute)
			require.NoError(t, conn.Out.Err())
			_, _, err := conn.In.TryRecv()
			require.ErrorIs(t, err, codec.ErrTooLarge)
			peer.expectClose(1009)
		})
	})
}

func TestTryRecvSkipsPartsThatAreClosed(t *testing.T) {
	bubble(t, func(t *testing.T, client bool) {
		conn, peer := newRaw(t, client, &websocket.Config{PingAfter: -1})
		peer.send(frame(more, websocket.OpText, strings.Repeat("x", 40_000)))
		_, parts, err := conn.RecvParts(peer.ctx, 0)
		require.NoError(t, err)
		require.NoError(t, parts.Close())
		peer.send(frame(fin, websocket.OpContinuation, "x"), text("next"))
		time.Sleep(time.Minute)
		m, ok, err := conn.In.TryRecv()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "next", m.String())
	})
}

// TestRecvPartsAfterASkippedMessageHasNoLimit has the rest of the skipped message read ahead, and some of the next one.
func TestRecvPartsAfterASkippedMessageHasNoLimit(t *testing.T) {
	words := strings.Repeat(sentences(2000), 25)
	for _, packed := range []bool{false, true} {
		bubble(t, func(t *testing.T, client bool) {
			cfg := deflating()
			cfg.MaxMessage = 10_000
			conn, peer := newRaw(t, client, cfg)
			peer.send(frame(false, websocket.OpText, "skipped"))
			_, in, err := conn.RecvParts(peer.ctx, 0)
			require.NoError(t, err)
			require.NoError(t, in.Close())
			peer.send(frame(true, websocket.OpContinuation, "too"))
			if packed {
				peer.send(compressed(fin, websocket.OpText, deflated(t, words)))
			} else {
				peer.send(frame(false, websocket.OpText, words[:100]))
			}
			time.Sleep(time.Minute)
			if !packed {
				go peer.send(frame(true, websocket.OpContinuation, words[100:]))
			}
			_, in, err = conn.RecvParts(peer.ctx, 0)
			require.NoError(t, err)
			p, err := io.ReadAll(chanio.NewReader(peer.ctx, in))
			require.NoError(t, err)
			require.True(t, words == string(p), "%d bytes", len(p))
		})
	}
}

// cancelling is a reader of compress/flate that calls a function before it reads.
type cancelling struct {
	io.ReadCloser
	before func()
}

func (r *cancelling) Read(p []byte) (int, error) {
	r.before()
	return r.ReadCloser.Read(p)
}

func (r *cancelling) Reset(src io.Reader, dict []byte) error {
	return r.ReadCloser.(flate.Resetter).Reset(src, dict)
}

// TestCtxEndsTheSkippingOfACompressedMessage skips one of 1 MiB, which could as well be of many GiB.
func TestCtxEndsTheSkippingOfACompressedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that nothing is read ahead
		before := func() {}
		d := &websocket.Deflate{NewReader: func(src io.Reader) io.ReadCloser {
			return &cancelling{flate.NewReader(src), func() { before() }}
		}}
		conn, peer := newRaw(t, false, &websocket.Config{Deflate: d, Extension: &websocket.Extension{}})
		var p bytes.Buffer
		z, err := flate.NewWriter(&p, flate.BestCompression)
		require.NoError(t, err)
		_, err = z.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		peer.send(websocket.Frame{Fin: true, RSV1: true, Opcode: websocket.OpBinary, Payload: p.Bytes()}, text("next"))

		_, parts, err := conn.RecvParts(peer.ctx, 0)
		require.NoError(t, err)
		_, err = parts.Recv(peer.ctx)
		require.NoError(t, err)
		require.NoError(t, parts.Close())
		ctx, cancel := context.WithCancel(peer.ctx)
		reads := 0
		before = func() {
			if reads++; reads == 3 {
				cancel()
			}
		}
		_, err = conn.In.Recv(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 3, reads)
		m, err := conn.In.Recv(peer.ctx)
		require.NoError(t, err)
		require.Equal(t, "next", m.String())
	})
}

// TestRestOfACompressedMessageIsNotUncompressed leaves a message whose rest is invalid, or would be far too large. With
// context takeover it has to be read.
func TestRestOfACompressedMessageIsNotUncompressed(t *testing.T) {
	broken := deflated(t, sentences(100_000))
	broken = broken[:len(broken)-100] + strings.Repeat("\xff", 100)
	for name, try := range map[string]bool{"Recv": false, "TryRecv": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, client bool) {
				cfg := deflating()
				cfg.Extension = &websocket.Extension{ServerNoTakeover: true, ClientNoTakeover: true}
				conn, peer := newRaw(t, client, cfg)
				peer.send(compressed(fin, websocket.OpText, broken), text("next"))
				_, parts, err := conn.RecvParts(peer.ctx, 0)
				require.NoError(t, err)
				_, err = parts.Recv(peer.ctx)
				require.NoError(t, err)
				require.NoError(t, parts.Close())
				var m websocket.Message
				if try {
					var ok bool
					m, ok, err = conn.In.TryRecv()
					require.True(t, ok || err != nil)
				} else {
					m, err = conn.In.Recv(peer.ctx)
				}
				require.NoError(t, err)
				require.Equal(t, "next", m.String())
			})
		})
	}
}
