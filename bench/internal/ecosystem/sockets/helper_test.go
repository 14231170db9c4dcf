package sockets

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

// mode is how messages are compressed.
type mode string

const (
	plain    mode = "plain"
	alone    mode = "compressed alone"
	takeover mode = "compressed with takeover"
)

var modes = []mode{plain, alone, takeover}

const maxMessage = 32 << 20

// config returns our configuration for a mode.
func (m mode) config() websocket.Config {
	cfg := websocket.Config{MaxMessage: maxMessage}
	if m != plain {
		cfg.Deflate = &websocket.Deflate{From: 1, Takeover: m == takeover}
	}
	return cfg
}

// ourServer echoes. A certain text makes it close with 4001. It reports the code with which the client closes.
func ourServer(m mode, ended chan<- websocket.Code) http.Handler {
	cfg := &httpd.UpgradeConfig{WebSocket: m.config(), Origins: []string{"*"}}
	return httpd.WebSocket(func(ctx context.Context, conn *websocket.Conn) error {
		defer func() {
			if code, _, ok := conn.CloseStatus(); ok {
				ended <- code
			}
		}()
		return pipeline.Connect(ctx, pipeline.MapErr(conn.In, func(m websocket.Message) (websocket.Message, error) {
			if string(m.Data) == "close" {
				return m, &websocket.CloseError{Code: 4001, Reason: "as told"}
			}
			return m, nil
		}), conn.Out)
	}, cfg)
}

// message is a message to send.
type message struct {
	binary bool
	data   []byte
	pieces int // frames, if the peer can choose them
}

// noise is 16 MiB that cannot be compressed.
var noise = sync.OnceValue(func() []byte {
	p := make([]byte, 16<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(p) // it never fails
	return p
})

// messages returns the messages that every peer must echo, with the large ones if asked for.
func messages(large bool) []message {
	big := noise()
	all := []message{
		{data: []byte("héllo \U0001F600")}, {}, {binary: true}, {binary: true, data: []byte{0, 0xff, 0xfe}},
		{data: []byte(strings.Repeat("in three pieces \U0001F600 ", 5000)), pieces: 3},
	}
	if large {
		all = append(all, message{binary: true, data: big}, message{data: bytes.Repeat([]byte("compress me "), 1<<15)},
			message{binary: true, data: big[:3<<20], pieces: 3})
	}
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537} {
		all = append(all, message{data: bytes.Repeat([]byte("x"), n)}, message{binary: true, data: big[:n]})
	}
	return all
}

// theirs is a connection of another library.
type theirs interface {
	send(m message) error
	recv() (message, error) // a message, or the end
	ping() error            // returns when the pong has arrived
	close(code int, reason string) error
	code(err error) int // of the Close frame that err reports; 4000 if close has started the end
	drop()
}

// converse makes our server echo everything, 16 MiB too if large is set, and ends with a Close frame of theirs, or of
// ours.
func converse(t *testing.T, peer theirs, ours, large bool) {
	defer peer.drop()
	for _, m := range messages(large) {
		sent := make(chan error, 1)
		go func() { sent <- peer.send(m) }()
		got, err := peer.recv()
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.Equal(t, m.binary, got.binary)
		require.True(t, bytes.Equal(m.data, got.data), "%d bytes", len(m.data))
	}
	require.NoError(t, peer.ping())
	want := 4000
	if ours {
		want = 4001
		require.NoError(t, peer.send(message{data: []byte("close")}))
	} else {
		require.NoError(t, peer.close(want, "mine"))
	}
	_, err := peer.recv()
	require.Error(t, err)
	require.Equal(t, want, peer.code(err), "%v", err)
}

// conversation is converse for our client and a server of theirs, which echoes, and closes with 4001 when asked to.
func conversation(t *testing.T, s ecosystem.Server, m mode, theirs bool) {
	ctx := ecosystem.Within(t)
	cfg := &httpc.WebSocketConfig{WebSocket: m.config()}
	conn, err := s.Ours(t, nil).DialWebSocket(ctx, strings.Replace(s.URL, "http", "ws", 1)+"/"+string(m[:2]), cfg)
	require.NoError(t, err)
	defer conn.Abort(nil)
	require.Equal(t, m != plain, conn.Compressed())
	for _, m := range messages(m == plain && !theirs) {
		sent := make(chan error, 1)
		go func() { sent <- sendOurs(ctx, conn, m) }()
		got, err := conn.In.Recv(ctx)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.Equal(t, m.binary, got.Kind == websocket.BinaryMessage)
		require.True(t, bytes.Equal(m.data, got.Data), "%d bytes", len(m.data))
	}
	_, err = conn.Ping(ctx)
	require.NoError(t, err)
	want := websocket.Code(4000)
	if theirs {
		want = 4001
		require.NoError(t, conn.Out.Send(ctx, websocket.Text("close")))
		_, err = conn.In.Recv(ctx)
		var end *websocket.CloseError
		require.ErrorAs(t, err, &end)
		require.Equal(t, websocket.CloseError{Code: 4001, Reason: "as told"}, *end)
		<-conn.Done()
	} else {
		require.NoError(t, conn.CloseWith(want, "mine"))
	}
	code, _, ok := conn.CloseStatus()
	require.True(t, ok)
	require.Equal(t, want, code)
}

func sendOurs(ctx context.Context, conn *websocket.Conn, m message) error {
	kind := websocket.TextMessage
	if m.binary {
		kind = websocket.BinaryMessage
	}
	if m.pieces < 2 {
		return conn.Out.Send(ctx, websocket.Message{Kind: kind, Data: m.data})
	}
	parts, err := conn.SendParts(ctx, kind)
	if err != nil {
		return err
	}
	for rest, n := m.data, len(m.data)/m.pieces; len(rest) > 0; {
		n = min(n, len(rest))
		if err := parts.Send(ctx, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return parts.Close()
}
