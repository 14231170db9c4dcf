package servers_test

import (
	"testing"

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
