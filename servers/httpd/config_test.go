package httpd

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/codec/sse"
)

func TestMultipartLimitsAreWhatTheConfigSays(t *testing.T) {
	head := `Content-Disposition: form-data; name="a"` + "\r\nX-A: b\r\nX-B: c"
	body := "--b\r\n" + head + "\r\n\r\nx\r\n--b--\r\n"
	for cfg, ok := range map[*MultipartConfig]bool{
		{MaxHead: 40}: false, {MaxHead: 80}: true, {MaxFields: 2}: false, {MaxFields: 3}: true,
	} {
		part, err := partsOf(t, cfg, strings.NewReader(body), "multipart/form-data; boundary=b").Recv(t.Context())
		if ok {
			require.NoError(t, err)
			require.Equal(t, "a", part.Name)
			part.Release()
			continue
		}
		require.ErrorIs(t, err, chanio.ErrTooLarge)
	}
}

func TestMaxEventOfAReplyIsWhatTheConfigSays(t *testing.T) {
	for most, ok := range map[int]bool{0: true, 50: false, 1000: true} {
		events, err := Events(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), &EventsConfig{MaxEvent: most})
		require.NoError(t, err)
		err = events.Send(t.Context(), sse.Event{Data: strings.Repeat("x", 100)})
		if ok {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, chanio.ErrTooLarge)
		}
		require.NoError(t, events.Close())
	}
}

// TestTimeoutOfAnUpgradeIsWhatTheConfigSays has a client that reads nothing of the response.
func TestTimeoutOfAnUpgradeIsWhatTheConfigSays(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 3 * time.Second: 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			network := chaniotest.Network{Capacity: 64}
			ln, err := network.Listen("server")
			require.NoError(t, err)
			type result struct {
				err  error
				took time.Duration
			}
			upgraded := make(chan result, 1)
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				start := time.Now()
				_, err := Upgrade(w, r, &UpgradeConfig{Timeout: timeout})
				upgraded <- result{err, time.Since(start)}
			})
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- New(handler, nil).Serve(ctx, ln) }()
			nc, err := network.DialContext(ctx, "mem", "server")
			require.NoError(t, err)
			request(t, nc)
			got := <-upgraded
			require.ErrorIs(t, got.err, os.ErrDeadlineExceeded)
			require.Equal(t, want, got.took)
			require.NoError(t, nc.Close())
			cancel()
			require.NoError(t, <-served)
		})
	}
}

// request sends a WebSocket handshake.
func request(t *testing.T, nc net.Conn) {
	w := bufio.NewWriter(nc)
	_, _ = w.WriteString("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	require.NoError(t, w.Flush())
}
