package handlers

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/bench/internal/ecosystem"
)

// TestUpgradesOfOthers lets gorilla and coder take over the connection with Hijack.
func TestUpgradesOfOthers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/gorilla", func(w http.ResponseWriter, r *http.Request) {
		up := gorilla.Upgrader{EnableCompression: true, Subprotocols: []string{"b"}, HandshakeTimeout: ecosystem.Patience}
		conn, err := up.Upgrade(w, r, http.Header{"X-Own": {"yes"}})
		if err != nil { // it has been answered
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			kind, p, err := conn.ReadMessage()
			if err != nil {
				assert.True(t, gorilla.IsCloseError(err, 4000), "%v", err)
				return
			}
			assert.NoError(t, conn.WriteMessage(kind, p))
		}
	})
	mux.HandleFunc("/coder", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Own", "yes")
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"b"}, CompressionMode: coder.CompressionContextTakeover})
		if err != nil { // it has been answered
			return
		}
		conn.SetReadLimit(-1)
		for {
			kind, p, err := conn.Read(r.Context())
			if err != nil {
				assert.EqualValues(t, 4000, coder.CloseStatus(err), "%v", err)
				return
			}
			assert.NoError(t, conn.Write(r.Context(), kind, p))
		}
	})
	ecosystem.Both(t, mux, func(t *testing.T, s ecosystem.Server) {
		if s.HTTP2 {
			t.Skip("they know HTTP/1.1 only")
		}
		for _, path := range []string{"/gorilla", "/coder"} {
			dialer := gorilla.Dialer{
				TLSClientConfig: s.TLS(), EnableCompression: true, Subprotocols: []string{"a", "b"}, HandshakeTimeout: ecosystem.Patience,
			}
			conn, resp, err := dialer.Dial(strings.Replace(s.URL, "http", "ws", 1)+path, nil) //nolint:bodyclose // it has none
			require.NoError(t, err)
			require.Equal(t, "yes", resp.Header.Get("X-Own"))
			require.Equal(t, "b", conn.Subprotocol())
			require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(ecosystem.Patience)))
			for _, m := range []string{"hello", strings.Repeat("compress me ", 10_000), ""} {
				require.NoError(t, conn.WriteMessage(gorilla.TextMessage, []byte(m)))
				_, p, err := conn.ReadMessage()
				require.NoError(t, err)
				require.True(t, string(p) == m)
			}
			require.NoError(t, conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, "done"), time.Now().Add(time.Second)))
			_, _, err = conn.ReadMessage()
			require.True(t, gorilla.IsCloseError(err, 4000), "%v", err)
			require.NoError(t, conn.Close())
		}
		// They answer a request that is not a handshake, and the connection remains usable.
		client := s.Client(t)
		for path, status := range map[string]int{"/gorilla": http.StatusBadRequest, "/coder": http.StatusUpgradeRequired} {
			resp, err := client.Get(s.URL + path)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, status, resp.StatusCode)
		}
	})
}
