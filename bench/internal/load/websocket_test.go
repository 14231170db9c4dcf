package load

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// sockets serves WebSockets that answer a message with the result of reply, and returns a Spec for them.
func sockets(t *testing.T, reply func(p []byte) []byte) Spec {
	upgrader := websocket.Upgrader{EnableCompression: true}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, p, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, reply(p)) != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return Spec{URL: "ws" + strings.TrimPrefix(srv.URL, "http") + "/path", Codec: codecWebSocket, Conns: 2, Window: 3, Time: 200 * time.Millisecond}
}

func TestMessagesOfWebSocketsAreCounted(t *testing.T) {
	for _, size := range []int{1, 8, 64, 125, 126, 65_535, 65_536, 200_000} {
		spec := sockets(t, same)
		spec.Size = size
		r, err := Run(t.Context(), spec, nil)
		require.NoError(t, err, size)
		require.Positive(t, r.Replies)
		require.GreaterOrEqual(t, r.Total, uint64(6))
	}
	open := sockets(t, same)
	open.Size, open.Rate, open.Time = 64, 1000, 500*time.Millisecond
	r, err := Run(t.Context(), open, nil)
	require.NoError(t, err)
	require.Positive(t, r.Replies)
}

func TestWrongRepliesOfWebSocketsAreNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		reply func([]byte) []byte
		says  string
	}{
		"last byte": {func(p []byte) []byte { p[63]++; return p }, "its bytes differ"},
		"number":    {func(p []byte) []byte { p[7]++; return p }, "it is numbered"},
		"length":    {func(p []byte) []byte { return p[:60] }, "it begins with"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := sockets(t, c.reply)
			spec.Size = 64
			_, err := Run(t.Context(), spec, nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestCompressedMessagesAreCompared(t *testing.T) {
	for _, size := range []int{minText, 200, 1 << 10, 70_000} {
		text := jsonText(size)
		require.Len(t, text, size)
		require.True(t, json.Valid(text))
	}
	for _, size := range []int{minText, 1 << 10} {
		spec := sockets(t, same)
		spec.Size, spec.Deflate = size, true
		r, err := Run(t.Context(), spec, nil)
		require.NoError(t, err)
		require.Positive(t, r.Replies)
	}
	first := sockets(t, func(p []byte) []byte { return append(p, ' ') })
	first.Size, first.Deflate = 1<<10, true
	_, err := Run(t.Context(), first, nil)
	require.ErrorContains(t, err, "text differs")
	var n atomic.Int64
	later := sockets(t, func(p []byte) []byte {
		if n.Add(1) > 10 {
			p[20] ^= 1
		}
		return p
	})
	later.Size, later.Deflate, later.Time = 1<<10, true, time.Minute // the error ends it
	_, err = Run(t.Context(), later, nil)
	require.ErrorContains(t, err, "reply")
}

func TestServerWithoutWebSocketsIsSaid(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := Run(t.Context(), Spec{URL: "ws" + strings.TrimPrefix(srv.URL, "http"), Codec: codecWebSocket, Size: 8, Conns: 1, Window: 1}, nil)
	require.ErrorContains(t, err, "404 Not Found")
	var usage *UsageError
	require.ErrorAs(t, Spec{URL: "ws://a:1", Codec: codecRaw, Size: 1, Conns: 1, Window: 1}.Check(), &usage)
	require.ErrorAs(t, Spec{URL: "tcp://a:1", Codec: codecWebSocket, Size: 1, Conns: 1, Window: 1}.Check(), &usage)
	require.NoError(t, Spec{URL: "wss://a:1", Codec: codecWebSocket, Size: 1, Conns: 1, Window: 1}.Check())
}
