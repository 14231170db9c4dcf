package httpd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A Read that waits when the reply begins goes on if the body is long, whenever the client sends the rest.
func TestLongBodyIsReadBesideTheBeginOfAReply(t *testing.T) {
	const size, first = 300_000, 10
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, first)
		read := make(chan string)
		go func() {
			n, err := io.Copy(io.Discard, r.Body)
			read <- fmt.Sprint(n, err)
		}()
		synctest.Wait()
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, <-read)
	}, nil, func(t *testing.T, dial func() (net.Conn, *bufio.Reader)) {
		nc, in := dial()
		_, err := fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, first))
		require.NoError(t, err)
		r, err := http.ReadResponse(in, nil) // the client waits for it before it sends more
		require.NoError(t, err)
		time.Sleep(10 * time.Second) // more than DrainTimeout
		_, err = nc.Write(make([]byte, size-first))
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(size-first, nil), string(body))
		require.True(t, r.Close)
		requireEnd(t, in)
		require.NoError(t, nc.Close())
	})
}
