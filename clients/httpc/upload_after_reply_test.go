package httpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
)

// TestServerThatAnswersFirstStillGetsTheBody has a server that answers once the request has been sent, and reads the body
// after the client has closed the connection.
func TestServerThatAnswersFirstStillGetsTheBody(t *testing.T) {
	starts := map[string]func(*testing.T, func(net.Conn, *bufio.Reader)) (url string){
		"TCP": func(t *testing.T, answer func(net.Conn, *bufio.Reader)) string { return raw(t, answer).url },
		"TLS": func(t *testing.T, answer func(net.Conn, *bufio.Reader)) string {
			_, url := rawTLS(t, func(secure *tls.Conn, _ net.Conn, in *bufio.Reader) { answer(secure, in) })
			return url
		},
	}
	for over, start := range starts {
		for name, k := range map[string]struct {
			reply string
			close func(c *Client)
		}{
			"Close":                {close: func(c *Client) { _ = c.Close() }},
			"Shutdown":             {close: func(c *Client) { _ = c.Shutdown(context.Background()) }},
			"CloseIdleConnections": {close: (*Client).CloseIdleConnections},
			"Connection close":     {reply: "Connection: close\r\n", close: func(*Client) {}},
		} {
			t.Run(over+", "+name, func(t *testing.T) { answerBeforeTheBody(t, start, k.reply, k.close) })
		}
	}
}

func answerBeforeTheBody(t *testing.T, start func(*testing.T, func(net.Conn, *bufio.Reader)) string, fields string, end func(*Client)) {
	const size = 512 << 10 // which the buffers of both kernels take
	written, closed, got := make(chan struct{}), make(chan struct{}), make(chan int64, 1)
	url := start(t, func(nc net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		<-written
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+fields+"Content-Length: 2\r\n\r\nok")
		<-closed
		n, _ := io.Copy(io.Discard, r.Body)
		got <- n
	})
	c := newClient(t, &Config{Connect: trusting()})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { close(written) },
	})
	resp, err := c.Post(ctx, url, Text(strings.Repeat("x", size)))
	require.NoError(t, err)
	said, err := resp.Text(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ok", said)
	end(c)
	close(closed)
	require.EqualValues(t, size, <-got)
}

// stuckConn is a net.Conn whose CloseWrite returns only after its Close.
type stuckConn struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *stuckConn) CloseWrite() error {
	<-c.closed
	return net.ErrClosed
}

func (c *stuckConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestEndOfAConnectionThatIsStuckIsBounded closes a Client whose idle connection does not end.
func TestEndOfAConnectionThatIsStuckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(&Config{Dial: func(_ context.Context, _ string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
			near, far := net.Pipe()
			go func() {
				says(hello)(far, bufio.NewReader(far))
				_ = far.Close()
			}()
			return chanio.NewConn(&stuckConn{Conn: near, closed: make(chan struct{})}, conn), nil
		}})
		text(t, c, "http://server")
		began := time.Now()
		require.NoError(t, c.Close())
		require.Equal(t, endTime, time.Since(began))
	})
}
