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

// A Read that waits when the reply begins goes on if the rest is not dropped, whenever the client sends it.
func TestBodyIsReadBesideTheBeginOfAReply(t *testing.T) {
	const size, first = 300_000, 10
	head := "POST / HTTP/1.1\r\nHost: a\r\n"
	zeros := string(make([]byte, size))
	for _, test := range []struct {
		name, begin, rest string
		maxDrain          int64
	}{
		{"long", fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, size, zeros[:first]), zeros[first:], 0},
		{"not drained", fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, size, zeros[:first]), zeros[first:] + "\r\n0\r\n\r\n", -1},
	} {
		t.Run(test.name, func(t *testing.T) {
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
			}), &Config{MaxDrain: test.maxDrain, DrainTimeout: time.Nanosecond})
			for range 20 {
				nc, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
				_, err = io.WriteString(nc, test.begin)
				require.NoError(t, err)
				r, err := http.ReadResponse(bufio.NewReader(nc), nil) // the client waits for it before it sends more
				require.NoError(t, err)
				_, err = io.WriteString(nc, test.rest)
				require.NoError(t, err)
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(size-first, nil), string(body))
				require.True(t, r.Close)
				require.NoError(t, nc.Close())
			}
		})
	}
}

// TestFullDuplexMayBeEnabledWhileTheBodyIsRead is for the race detector.
func TestFullDuplexMayBeEnabledWhileTheBodyIsRead(t *testing.T) {
	const size = 1000
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, read := make(chan struct{}), make(chan string)
		go func() {
			_, _ = r.Body.Read(make([]byte, 1))
			close(began)
			for n := 1; ; n++ {
				if _, err := r.Body.Read(make([]byte, 1)); err != nil {
					read <- fmt.Sprint(n, err)
					return
				}
			}
		}()
		<-began
		rc := http.NewResponseController(w)
		if rc.EnableFullDuplex() == nil && rc.Flush() == nil {
			_, _ = io.WriteString(w, <-read)
		}
	}), nil)
	for range 20 {
		nc, in := dial(t, addr)
		_, err := fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, make([]byte, size))
		require.NoError(t, err)
		r, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(size-1, io.EOF), string(body)) // the last byte comes with io.EOF
	}
}
