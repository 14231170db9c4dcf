package httpc

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-go/weir/codec/websocket"
)

// rawFrames is an HTTP/2 server that supports extended CONNECT and reports each received frame.
func rawFrames(t *testing.T, answer func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField)) *rawServer {
	return raw(t, func(nc net.Conn, in *bufio.Reader) {
		if _, err := io.ReadFull(in, make([]byte, len(frames.ClientPreface))); err != nil {
			return
		}
		f := frames.NewFramer(nc, in)
		_ = f.WriteSettings(frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 1})
		dec := hpack.NewDecoder(4096, nil)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			var fields []hpack.HeaderField
			if h, ok := frame.(*frames.HeadersFrame); ok {
				fields, _ = dec.DecodeFull(h.HeaderBlockFragment())
			}
			answer(f, frame, fields)
		}
	})
}

func writeHead(f *frames.Framer, id uint32, end bool, fields ...string) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = f.WriteHeaders(frames.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: end})
}

// headers returns the fields as text, without User-Agent.
func headers(fields []hpack.HeaderField) (text string) {
	for _, f := range fields {
		if f.Name != "user-agent" {
			text += f.Name + "=" + f.Value + " "
		}
	}
	return strings.TrimSpace(text)
}

// TestTunnelOnTheWire checks the header lists of RFC 9113 8.5 and RFC 8441 4, that they have no END_STREAM, and the
// frames that end a tunnel.
func TestTunnelOnTheWire(t *testing.T) {
	got := make(chan string, 100)
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, fields []hpack.HeaderField) {
		switch frame := frame.(type) {
		case *frames.HeadersFrame:
			got <- headers(fields)
			if frame.StreamEnded() {
				got <- "END"
			}
			writeHead(f, frame.StreamID, false, ":status", "200", "content-length", "3") // must be ignored
			_ = f.WriteData(frame.StreamID, false, []byte("first"))
		case *frames.DataFrame:
			if len(frame.Data()) > 0 {
				got <- string(frame.Data())
			}
			if frame.StreamEnded() {
				got <- "END"
			}
		case *frames.RSTStreamFrame:
			got <- frame.ErrCode.String()
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	conn, err := c.Connect(t.Context(), s.url, "a.example:443")
	require.NoError(t, err)
	require.Equal(t, ":method=CONNECT :authority=a.example:443", <-got)
	p, err := conn.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "first", string(p))
	require.NoError(t, conn.Out.Send(t.Context(), []byte("hello")))
	require.Equal(t, "hello", <-got)
	require.NoError(t, conn.Out.Close())
	require.Equal(t, "END", <-got)
	conn.Abort(nil)
	require.Equal(t, "CANCEL", <-got)

	ws, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/chat?a=1",
		&WebSocketConfig{Subprotocols: []string{"x"}, Header: http.Header{"Origin": {"http://a"}}})
	require.NoError(t, err)
	require.Equal(t, ":method=CONNECT :protocol=websocket :scheme=http :authority="+strings.TrimPrefix(s.url, "http://")+
		" :path=/chat?a=1 accept-encoding=gzip origin=http://a sec-websocket-protocol=x sec-websocket-version=13", sorted(<-got))
	ws.Abort(nil)
	require.Equal(t, "CANCEL", <-got)
	require.Equal(t, 1, s.accepted())
}

// sorted moves the last field of the request to its place among the others, which are sorted.
func sorted(text string) string {
	const gzip = " accept-encoding=gzip"
	if rest, ok := strings.CutSuffix(text, gzip); ok {
		return strings.Replace(rest, " origin=", gzip+" origin=", 1)
	}
	return text
}

// TestAnswersToAnExtendedConnect uses answers that do not open a WebSocket. Each ends the stream.
func TestAnswersToAnExtendedConnect(t *testing.T) {
	for name, k := range map[string]struct {
		fields []string
		want   string
	}{
		"subprotocol nobody offered": {[]string{":status", "200", "sec-websocket-protocol", "y"}, "was not offered"},
		"extension nobody offered":   {[]string{":status", "200", "sec-websocket-extensions", "permessage-deflate"}, "status 200"},
		"no":                         {[]string{":status", "404"}, "status 404"},
		"101":                        {[]string{":status", "101"}, "PROTOCOL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{}, 1)
			s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
				switch frame := frame.(type) {
				case *frames.HeadersFrame:
					writeHead(f, frame.StreamID, k.fields[1] == "404", k.fields...)
				case *frames.RSTStreamFrame:
					over <- struct{}{}
				}
			})
			c := newClient(t, &Config{Protocols: h2c()})
			_, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http"), nil)
			require.ErrorContains(t, err, k.want)
			<-over
		})
	}
}

// TestWebSocketEndsWithItsConnection uses a GOAWAY that excludes the stream of the first handshake, which is repeated,
// and a connection that breaks.
func TestWebSocketEndsWithItsConnection(t *testing.T) {
	n := 0
	s := rawFrames(t, func(f *frames.Framer, frame frames.Frame, _ []hpack.HeaderField) {
		if h, ok := frame.(*frames.HeadersFrame); ok {
			if n++; n == 1 {
				_ = f.WriteGoAway(0, frames.ErrCodeNo, nil)
				return
			}
			writeHead(f, h.StreamID, false, ":status", "200")
			_ = f.WriteGoAway(h.StreamID, frames.ErrCodeInternal, []byte("broken"))
		}
		if d, ok := frame.(*frames.DataFrame); ok {
			_ = f.WriteRSTStream(d.StreamID, frames.ErrCodeCancel)
		}
	})
	c := newClient(t, &Config{Protocols: h2c()})
	conn, err := c.DialWebSocket(t.Context(), "ws"+strings.TrimPrefix(s.url, "http"), nil)
	require.NoError(t, err)
	require.Equal(t, 2, s.accepted())
	_ = conn.Out.Send(t.Context(), websocket.Text("x"))
	_, err = conn.In.Recv(t.Context())
	require.Error(t, err)
	_ = conn.Close()
	require.Eventually(t, func() bool { return c.Stats()[0].Open == 0 }, testPatience, 1e6)
}
