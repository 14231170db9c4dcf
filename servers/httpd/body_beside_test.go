package httpd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Read that waits when the reply begins goes on if the body is long, whenever the client sends the rest.
func TestLongBodyIsReadBesideTheBeginOfAReply(t *testing.T) {
	const size, first = 300_000, 10
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, read := make(chan struct{}), make(chan string)
		go func() {
			_, _ = io.CopyN(io.Discard, r.Body, first)
			close(began)
			n, err := io.Copy(io.Discard, r.Body)
			read <- fmt.Sprint(n, err)
		}()
		<-began // the next Read may begin before or after the reply
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, <-read)
	}), &Config{DrainTimeout: time.Nanosecond})
	for range 20 {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
		_, err = fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, first))
		require.NoError(t, err)
		r, err := http.ReadResponse(bufio.NewReader(nc), nil) // the client waits for it before it sends more
		require.NoError(t, err)
		_, err = nc.Write(make([]byte, size-first))
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(size-first, nil), string(body))
		require.True(t, r.Close)
		require.NoError(t, nc.Close())
	}
}
