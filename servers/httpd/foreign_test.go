package httpd_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/servers/httpd"
)

// When other code closes the net.Listener, idle connections are told as in a shutdown. They do not delay the return of
// Serve until the linger bound.
func TestServeReturnsWhenItsListenerWasClosedByOtherCode(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			nl, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			cfg := &httpd.Config{}
			cfg.Listen.Conn.Linger = time.Hour
			served := make(chan error)
			go func() {
				h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
				served <- httpd.New(h, cfg).Serve(t.Context(), nl)
			}()
			nc, err := net.Dial("tcp", nl.Addr().String())
			require.NoError(t, err)
			defer func() { require.NoError(t, nc.Close()) }()
			if proto == "HTTP/1.1" {
				_, err = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				require.NoError(t, err)
				res, err := http.ReadResponse(bufio.NewReader(nc), nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, res.StatusCode)
			} else {
				_, err = io.WriteString(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
				require.NoError(t, err)
				_, err = io.ReadFull(nc, make([]byte, 9)) // the server's SETTINGS
				require.NoError(t, err)
			}
			require.NoError(t, nl.Close())
			require.ErrorContains(t, <-served, "closed by other code")
		})
	}
}
