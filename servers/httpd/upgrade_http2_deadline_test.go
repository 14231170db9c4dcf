package httpd

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/codec/websocket"
)

// slowWriter is the ResponseWriter of an HTTP/2 stream whose client takes so many bytes a second. It fails at its
// deadline, even if nothing is written, as that of net/http does.
type slowWriter struct {
	header      http.Header
	read, write time.Time // deadlines
	rate, taken int
}

func (w *slowWriter) Header() http.Header { return w.header }
func (w *slowWriter) WriteHeader(int)     {}
func (w *slowWriter) Flush()              {}

func (w *slowWriter) SetReadDeadline(t time.Time) error {
	w.read = t
	return nil
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error {
	w.write = t
	return nil
}

func (w *slowWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if !w.write.IsZero() && !time.Now().Before(w.write) {
			return n, os.ErrDeadlineExceeded
		}
		time.Sleep(time.Second)
		n = min(n+w.rate, len(p))
		w.taken += w.rate
	}
	return n, nil
}

// upgradeSlow upgrades an HTTP/2 stream of another server, which has read and write timeouts.
func upgradeSlow(t *testing.T, rate int, cfg *UpgradeConfig) (w *slowWriter, conn *websocket.Conn) {
	soon := time.Now().Add(time.Second)
	w = &slowWriter{header: http.Header{}, read: soon, write: soon, rate: rate}
	body, peer := io.Pipe()
	t.Cleanup(func() { _ = peer.Close() })
	r := (&http.Request{
		ProtoMajor: 2, Method: http.MethodConnect, Body: body,
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {websocket.Version}},
	}).WithContext(t.Context())
	conn, err := Upgrade(w, r, cfg)
	require.NoError(t, err)
	return w, conn
}

// TestTimeoutsOfAServerDoNotEndItsWebSocketsOverHTTP2 has a server whose timeouts net/http applies to each stream.
func TestTimeoutsOfAServerDoNotEndItsWebSocketsOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, conn := upgradeSlow(t, 1000, nil)
		require.True(t, w.read.IsZero())
		require.True(t, w.write.IsZero())
		require.NoError(t, conn.Out.Send(t.Context(), websocket.Text("x")))
		synctest.Wait()
		require.True(t, w.write.IsZero(), "nothing is being written")
		conn.Abort(nil)
		<-conn.Done()
	})
}

func TestWriteTimeoutOfWebSocketsOverHTTP2OfAnotherServer(t *testing.T) {
	for name, c := range map[string]struct {
		rate    int
		timeout time.Duration
		ok      bool
	}{
		"slow":         {300, 0, true},
		"too slow":     {200, 0, false},
		"reads little": {1, 0, false},
		"no limit":     {200, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := &UpgradeConfig{WriteTimeout: c.timeout}
				cfg.WebSocket.PingAfter = -1
				w, conn := upgradeSlow(t, c.rate, cfg)
				err := conn.Out.Send(t.Context(), websocket.Text(strings.Repeat("x", 50_000)))
				if c.ok {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					require.Less(t, w.taken, 50_000)
				}
				conn.Abort(nil)
				<-conn.Done()
			})
		})
	}
}
