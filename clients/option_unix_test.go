//go:build unix

package clients_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
)

func TestOptionsReachTheSocket(t *testing.T) {
	var controlled string
	c, nc := pair(t, t.Context(), &clients.Config{
		LocalAddr: "127.0.0.1:0",
		Delay:     true,
		Timeout:   -1,
		Control: func(_, address string, _ syscall.RawConn) error {
			controlled = address
			return nil
		},
	})
	require.Equal(t, nc.LocalAddr().String(), controlled)
	require.Equal(t, c.LocalAddr().String(), nc.RemoteAddr().String())
	require.Equal(t, 0, option(t, c, syscall.IPPROTO_TCP, syscall.TCP_NODELAY))
	require.Equal(t, 1, option(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))

	c, _ = pair(t, t.Context(), &clients.Config{KeepAlive: -time.Second})
	require.Equal(t, 1, option(t, c, syscall.IPPROTO_TCP, syscall.TCP_NODELAY))
	require.Equal(t, 0, option(t, c, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
}

// option returns 1 if a socket option of c is on, else 0.
func option(t testing.TB, c *chanio.Conn, level, name int) (value int) {
	raw, err := c.NetConn().(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		value, err = syscall.GetsockoptInt(int(fd), level, name)
	}))
	require.NoError(t, err)
	return min(value, 1)
}
