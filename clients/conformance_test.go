package clients_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/internal/tlsconf"
)

func TestConnectionsConform(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			near, nc := pair(t, t.Context(), nil)
			return near, chanio.NewConn(nc, nil)
		},
	})
}

func TestTLSConnectionsConform(t *testing.T) {
	cert, roots, err := tlsconf.SelfSigned("127.0.0.1")
	require.NoError(t, err)
	ln := listen(t)
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			type result struct {
				c   *chanio.Conn
				err error
			}
			accepted := make(chan result, 1)
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					accepted <- result{nil, err}
					return
				}
				c, err := chanio.TLSServer(t.Context(), chanio.NewConn(nc, nil), &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
				accepted <- result{c, err}
			}()
			near, err := clients.DialTLS(t.Context(), ln.Addr().String(), &clients.TLSConfig{RootCAs: roots}, nil)
			require.NoError(t, err)
			r := <-accepted
			require.NoError(t, r.err)
			return near, r.c
		},
	})
}

func TestUnixConnectionsConform(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir") // paths from t.TempDir are too long for a socket
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer ln.Close()
	chaniotest.TestConn(t, chaniotest.Conns{
		Facts: chaniotest.Facts{NoReset: true},
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			near, err := clients.DialUnix(t.Context(), path, nil)
			require.NoError(t, err)
			nc, err := ln.Accept()
			require.NoError(t, err)
			return near, chanio.NewConn(nc, nil)
		},
	})
}

// The dialogue with a proxy leaves no trace in the stream.
func TestConnectionsThroughProxiesConform(t *testing.T) {
	const host = "example.org:443"
	for name, c := range map[string]struct {
		proxy clients.Proxy
		steps [][2]string
	}{
		"http": {&clients.HTTPProxy{Addr: "proxy:3128"}, [][2]string{
			{"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", "HTTP/1.1 200 Connection established\r\n\r\n"},
		}},
		"socks": {&clients.SOCKS5{Addr: "proxy:1080"}, [][2]string{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x03\x0bexample.org\x01\xbb", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			chaniotest.TestConn(t, chaniotest.Conns{
				Facts: chaniotest.Facts{Bubble: true},
				Connect: func(t testing.TB) (near, far *chanio.Conn) {
					a, b := chaniotest.Pipe(0)
					played := make(chan error, 1)
					go func() { played <- perform(b, c.steps) }()
					direct := func(context.Context, string, *chanio.ConnConfig) (*chanio.Conn, error) {
						return chanio.NewConn(a, nil), nil
					}
					near, err := c.proxy.DialThrough(t.Context(), host, nil, direct)
					require.NoError(t, err)
					require.NoError(t, <-played)
					return near, chanio.NewConn(b, nil)
				},
			})
		})
	}
}
