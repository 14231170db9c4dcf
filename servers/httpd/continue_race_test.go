package httpd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A 100 is never sent after the head of the reply, whichever goroutine reads the body of the request.
func TestContinueOfAReaderBesideTheWriter(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.ReadAll(r.Body)
		}()
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, strings.Repeat("x", 4000))
		<-read
	}), nil)
	for range 20 {
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
		require.NoError(t, err)
		in := bufio.NewReader(nc)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		if resp.StatusCode == http.StatusContinue {
			resp, err = http.ReadResponse(in, nil)
			require.NoError(t, err)
		}
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("x", 4000), string(body))
		_ = nc.Close()
	}
}

// TestReplyWithoutContinueEndsTheConnection replies before the body is invited, in the ways that leave it readable. The
// client may then send another request instead of the body.
func TestReplyWithoutContinueEndsTheConnection(t *testing.T) {
	for name, reply := range map[string]func(rc *http.ResponseController, w http.ResponseWriter, r *http.Request) error{
		"flush": func(rc *http.ResponseController, _ http.ResponseWriter, _ *http.Request) error { return rc.Flush() },
		"head, then read": func(_ *http.ResponseController, w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(http.StatusAccepted)
			_, err := r.Body.Read(make([]byte, 1))
			return err
		},
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			if err := errors.Join(rc.EnableFullDuplex(), reply(rc, w, r), rc.Flush()); err != nil {
				panic(err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
		})
		for _, addr := range []string{start(t, handler, nil), startStandard(t, handler)} {
			got := rawReply(t, addr, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"+evil)
			require.Contains(t, got, "\r\nConnection: close\r\n", name)
			require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "%s: %q", name, got)
		}
	}
}
