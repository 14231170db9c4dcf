package httpd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestClientThatLeavesInAReplyEndsIt requires the handler's Write to fail and its context to end.
func TestClientThatLeavesInAReplyEndsIt(t *testing.T) {
	for _, raw := range []string{getLine, get10} {
		failed := make(chan error, 1)
		addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 64<<10))
			}
			<-r.Context().Done()
			failed <- err
		}), nil)
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, raw)
		require.NoError(t, err)
		_, err = in.ReadByte()
		require.NoError(t, err)
		require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
		require.NoError(t, nc.Close())
		require.Error(t, <-failed)
	}
}

func TestClientThatLeavesInABodyEndsTheRead(t *testing.T) {
	failed := make(chan error, 1)
	addr := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}), nil)
	nc, _ := dial(t, addr)
	_, err := io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
	require.NoError(t, err)
	require.NoError(t, nc.(*net.TCPConn).SetLinger(0))
	require.NoError(t, nc.Close())
	require.Error(t, <-failed)
}

// TestRefusalReachesAClientThatIsStillSending sends the whole body before it reads.
func TestRefusalReachesAClientThatIsStillSending(t *testing.T) {
	const size = 900 << 10
	handlers := map[string]string{
		"refused by the server":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000000\r\n\r\n",
		"answered without reading": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 921600\r\n\r\n",
	}
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusRequestEntityTooLarge)
	}), &Config{MaxBody: size})
	for name, head := range handlers {
		nc, in := dial(t, addr)
		_, err := io.WriteString(nc, head+strings.Repeat("x", size))
		require.NoError(t, err, name)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err, name)
		require.Equal(t, http.StatusRequestEntityTooLarge, r.StatusCode)
		require.True(t, r.Close)
	}
}

// TestConnectionsDoNotShareBuffers has many handlers write concurrently, with pauses in which others use the same
// pools.
func TestConnectionsDoNotShareBuffers(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 50 {
			_, _ = io.WriteString(w, strings.Repeat(r.URL.RawQuery, 30))
			w.(http.Flusher).Flush()
		}
	}), nil)
	results := make(chan error, 16)
	for i := range cap(results) {
		go func() {
			letter := string(rune('a' + i))
			results <- readAllOf(addr, letter, 50*30)
		}()
	}
	for range cap(results) {
		require.NoError(t, <-results)
	}
}

// readAllOf requests a body that consists of n times letter.
func readAllOf(addr, letter string, n int) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	if _, err := io.WriteString(nc, "GET /?"+letter+" HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && string(body) != strings.Repeat(letter, n) {
		err = errors.New("another's bytes in the body of " + letter)
	}
	return err
}
