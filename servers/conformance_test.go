package servers_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func TestConnectionsConform(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			ln, err := servers.ListenTCP("127.0.0.1:0", nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = ln.Close() })
			far, err = clients.DialTCP(t.Context(), ln.Addr().String(), nil)
			require.NoError(t, err)
			near, err = ln.Conns.Recv(t.Context())
			require.NoError(t, err)
			return near, far
		},
	})
}

func TestConnectionsInMemoryConform(t *testing.T) {
	chaniotest.TestConn(t, chaniotest.Conns{
		Facts: chaniotest.Facts{Bubble: true},
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			var network chaniotest.Network
			nl, err := network.Listen("server")
			require.NoError(t, err)
			ln, err := servers.Listen(nl, nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = ln.Close() })
			far, err = network.Dial(t.Context(), "server")
			require.NoError(t, err)
			near, err = ln.Conns.Recv(t.Context())
			require.NoError(t, err)
			return near, far
		},
	})
}

// The PROXY header leaves no trace in the stream.
func TestConnectionsOfABalancerConform(t *testing.T) {
	ln := listen(t, &servers.Config{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := ln.Conns.Recv(ctx) // starts accepting, until ln is closed
	require.ErrorIs(t, err, context.DeadlineExceeded)
	chaniotest.TestConn(t, chaniotest.Conns{
		Connect: func(t testing.TB) (near, far *chanio.Conn) {
			far, err := clients.DialTCP(t.Context(), ln.Addr().String(), nil)
			require.NoError(t, err)
			require.NoError(t, far.Out.Send(t.Context(), []byte("PROXY TCP4 192.0.2.1 198.51.100.7 5 6\r\n")))
			near, err = ln.Conns.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, "192.0.2.1:5", near.RemoteAddr().String())
			return near, far
		},
	})
}
