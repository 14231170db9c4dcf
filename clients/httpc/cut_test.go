package httpc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplyThatIsCutAnywhereIsNotWhole ends the connection after each byte of a reply, by FIN and by RST. A reply counts
// as whole only if all of it has arrived, and no connection stays open.
func TestReplyThatIsCutAnywhereIsNotWhole(t *testing.T) {
	packed := string(gzipped("hello"))
	for name, reply := range map[string]string{
		"sized":   "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n",
		"gzip":    fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(packed), packed),
	} {
		for _, how := range []string{"FIN", "RST"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := raw(t, func(nc net.Conn, in *bufio.Reader) {
					r := readRequest(in)
					if r == nil {
						return
					}
					var n int
					_, _ = fmt.Sscan(r.URL.Path[1:], &n)
					_, _ = io.WriteString(nc, reply[:n])
					if how == "RST" {
						_ = nc.(*net.TCPConn).SetLinger(0)
					}
				})
				c := newClient(t, nil)
				for n := range len(reply) + 1 {
					resp, err := c.Get(t.Context(), fmt.Sprint(s.url, "/", n))
					body := ""
					if err == nil {
						body, err = resp.Text(t.Context())
						require.True(t, strings.HasPrefix("hello", body))
						_ = resp.Close()
					}
					switch {
					case n < len(reply):
						require.Error(t, err, "%d of %q", n, reply)
					case how == "FIN": // a reset may overtake the reply
						require.NoError(t, err)
						require.Equal(t, "hello", body)
					}
				}
				require.Eventually(t, func() bool { return c.Stats()[0].Open == c.Stats()[0].Idle }, testPatience, 1e6)
			})
		}
	}
}
