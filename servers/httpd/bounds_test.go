package httpd

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeadsBeyondTheLimitsOfConfigAreRefused(t *testing.T) {
	const host = " HTTP/1.1\r\nHost: h\r\n"
	for name, c := range map[string]struct {
		cfg    Config
		raw    string
		status int
	}{
		"request line": {Config{MaxRequestLine: 40}, "GET /" + strings.Repeat("x", 50) + host + "\r\n", 414},
		"head":         {Config{MaxHead: 200}, "GET /" + host + strings.Repeat("A: xxxxxxxxxxxxxxxx\r\n", 10) + "\r\n", 431},
		"field":        {Config{MaxField: 40}, "GET /" + host + "A: " + strings.Repeat("x", 50) + "\r\n\r\n", 431},
		"fields":       {Config{MaxFields: 3}, "GET /" + host + strings.Repeat("A: x\r\n", 3) + "\r\n", 431},
	} {
		t.Run(name, func(t *testing.T) {
			replies, ended := talk(t, start(t, say("x"), &c.cfg), c.raw, "GET")
			require.True(t, ended)
			require.Equal(t, c.status, replies[0].status)
			replies, _ = talk(t, start(t, say("x"), nil), c.raw, "GET")
			require.Equal(t, 200, replies[0].status)
		})
	}
}

func TestTrailersBeyondTheLimitsOfConfigFailTheBody(t *testing.T) {
	const raw = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: x\r\nB: xxxxxxxxxx\r\nC: x\r\n\r\n"
	for name, cfg := range map[string]Config{"bytes": {MaxTrailer: 15}, "fields": {MaxTrailerFields: 2}} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			replies, ended := talk(t, start(t, h, &cfg), raw, "POST")
			require.True(t, ended)
			require.GreaterOrEqual(t, replies[0].status, 400)
			replies, _ = talk(t, start(t, h, nil), raw, "POST")
			require.Equal(t, 200, replies[0].status)
		})
	}
}

func TestUnreadBodyBeyondMaxDrainEndsTheConnection(t *testing.T) {
	raw := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100)
	for limit, want := range map[int64]bool{99: true, 100: false} {
		replies, ended := talk(t, start(t, say("x"), &Config{MaxDrain: limit}), raw, "POST")
		require.Equal(t, 200, replies[0].status)
		require.Equal(t, want, ended)
	}
}

func TestEndOfTheContextAbortsWhatOutlivesTheShutdownTimeout(t *testing.T) {
	entered := make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	addr := start(t, h, &Config{ShutdownTimeout: time.Millisecond})
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, getLine)
	require.NoError(t, err)
	awaitIn(t, entered) // the end of the test ends the context, and Serve returns
}
