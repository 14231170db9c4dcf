package httpc

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/codec/websocket"
)

// plainFrame returns an unmasked frame of RFC 6455 5.2, as servers send it.
func plainFrame(opcode byte, text string) []byte {
	return append([]byte{0x80 | opcode, byte(len(text))}, text...)
}

// dialFrames opens a WebSocket over HTTP/2 without TLS.
func dialFrames(ctx context.Context, c *Client, s *rawServer, cfg *WebSocketConfig) (*websocket.Conn, error) {
	return c.DialWebSocket(ctx, "ws"+strings.TrimPrefix(s.url, "http"), cfg)
}

// TestEndsOfAWebSocketOverHTTP2 uses each way in which a server can end the stream of a WebSocket after the handshake.
func TestEndsOfAWebSocketOverHTTP2(t *testing.T) {
	const text, closing = 1, 8
	for name, k := range map[string]struct {
		end  func(f *frames.Framer, id uint32)
		code websocket.Code // 0 means a clean end
	}{
		"END_STREAM":        {func(f *frames.Framer, id uint32) { _ = f.WriteData(id, true, nil) }, websocket.Abnormal},
		"within a frame":    {func(f *frames.Framer, id uint32) { _ = f.WriteData(id, true, []byte{0x81, 5, 'x'}) }, websocket.Abnormal},
		"trailers":          {func(f *frames.Framer, id uint32) { writeHead(f, id, true, "x-a", "b") }, websocket.Abnormal},
		"RST_STREAM CANCEL": {func(f *frames.Framer, id uint32) { _ = f.WriteRSTStream(id, frames.ErrCodeCancel) }, websocket.Abnormal},
		"RST_STREAM NO":     {func(f *frames.Framer, id uint32) { _ = f.WriteRSTStream(id, frames.ErrCodeNo) }, websocket.Abnormal},
		"1000":              {func(f *frames.Framer, id uint32) { _ = f.WriteData(id, false, plainFrame(closing, "\x03\xe8")) }, 0},
		"1000 and FIN":      {func(f *frames.Framer, id uint32) { _ = f.WriteData(id, true, plainFrame(closing, "\x03\xe8")) }, 0},
		"4000":              {func(f *frames.Framer, id uint32) { _ = f.WriteData(id, false, plainFrame(closing, "\x0f\xa0why")) }, 4000},
		"GOAWAY below":      {func(f *frames.Framer, _ uint32) { _ = f.WriteGoAway(0, frames.ErrCodeNo, nil) }, websocket.Abnormal},
		"1000, then a reset": {func(f *frames.Framer, id uint32) {
			_ = f.WriteData(id, false, plainFrame(closing, "\x03\xe8"))
			_ = f.WriteRSTStream(id, frames.ErrCodeNo)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
				if h, ok := frame.(*frames.HeadersFrame); ok {
					writeHead(f, h.StreamID, false, ":status", "200")
					for _, b := range plainFrame(text, "hello") { // one byte in each frame
						_ = f.WriteData(h.StreamID, false, []byte{b})
					}
				}
				if d, ok := frame.(*frames.DataFrame); ok && !d.StreamEnded() && len(d.Data()) > 0 && d.Data()[0] == 0x82 {
					k.end(f, d.StreamID)
				}
			})
			c := newClient(t, &Config{Protocols: h2c()})
			conn, err := dialFrames(t.Context(), c, s, nil)
			require.NoError(t, err)
			m, err := conn.In.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "hello", m.String())
			require.NoError(t, conn.Out.Send(t.Context(), websocket.Binary([]byte("end"))))
			_, err = conn.In.Recv(t.Context())
			if k.code == 0 {
				require.Equal(t, io.EOF, err)
			} else {
				var end *websocket.CloseError
				require.ErrorAs(t, err, &end)
				require.Equal(t, k.code, end.Code)
			}
			_ = conn.Close()
			require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6)
		})
	}
}

// TestAttemptsAtAWebSocketOverHTTP2 has the server refuse the first handshake in each way. want is the number of
// handshakes, or the error.
func TestAttemptsAtAWebSocketOverHTTP2(t *testing.T) {
	for name, k := range map[string]struct {
		first func(f *frames.Framer, id uint32)
		asked int
		fails string
	}{
		"REFUSED_STREAM":  {resets(frames.ErrCodeRefusedStream), 2, ""},
		"GOAWAY below":    {goesAway(0), 2, ""},
		"CANCEL":          {resets(frames.ErrCodeCancel), 1, "CANCEL"},
		"PROTOCOL_ERROR":  {resets(frames.ErrCodeProtocol), 1, "PROTOCOL_ERROR"},
		"421":             {func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "421") }, 1, "status 421"},
		"redirect":        {func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "302", "location", "/x") }, 1, "status 302"},
		"501":             {func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "501") }, 1, "status 501"},
		"200 and its end": {func(f *frames.Framer, id uint32) { writeHead(f, id, true, ":status", "200") }, 1, ""},
		"103, then 200": {func(f *frames.Framer, id uint32) {
			writeHead(f, id, false, ":status", "103")
			writeHead(f, id, false, ":status", "200")
		}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan uint32, 8)
			n := 0
			s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
				if h, ok := frame.(*frames.HeadersFrame); ok {
					asked <- h.StreamID
					if n++; n == 1 {
						k.first(f, h.StreamID)
						return
					}
					writeHead(f, h.StreamID, false, ":status", "200")
				}
			})
			c := newClient(t, &Config{Protocols: h2c()})
			conn, err := dialFrames(t.Context(), c, s, nil)
			if k.fails != "" {
				require.ErrorContains(t, err, k.fails)
			} else {
				require.NoError(t, err)
				conn.Abort(errors.New("enough"))
			}
			require.Len(t, asked, k.asked)
			require.Eventually(t, func() bool { return c.Stats()[0].Streams == 0 }, testPatience, 1e6)
		})
	}
}

// TestCancelledHandshakeOverHTTP2ResetsItsStream cancels a dial that the server does not answer, and opens another on the
// same connection.
func TestCancelledHandshakeOverHTTP2ResetsItsStream(t *testing.T) {
	asked, reset := make(chan uint32, 8), make(chan frames.ErrCode, 8)
	n := 0
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
		switch frame := frame.(type) {
		case *frames.HeadersFrame:
			asked <- frame.StreamID
			if n++; n > 1 {
				writeHead(f, frame.StreamID, false, ":status", "200")
			}
		case *frames.RSTStreamFrame:
			reset <- frame.ErrCode
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := dialFrames(ctx, c, s, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, frames.ErrCodeCancel, <-reset)
	conn, err := dialFrames(t.Context(), c, s, &WebSocketConfig{Timeout: time.Hour})
	require.NoError(t, err)
	conn.Abort(nil)
	require.Equal(t, frames.ErrCodeCancel, <-reset)
	require.Equal(t, 1, s.accepted())
}
