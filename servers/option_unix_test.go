//go:build unix

package servers_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

func TestOptionsReachTheSocket(t *testing.T) {
	for _, c := range []struct {
		cfg                *servers.Config
		noDelay, keepAlive int
	}{
		{nil, 1, 1},
		{&servers.Config{Delay: true, KeepAlive: time.Minute}, 0, 1},
		{&servers.Config{KeepAlive: -1}, 1, 0},
	} {
		ln := listen(t, c.cfg)
		nc := dial(t, ln)
		conn, err := ln.Conns.Recv(t.Context())
		require.NoError(t, err)
		raw, err := conn.NetConn().(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		var noDelay, keepAlive int
		require.NoError(t, raw.Control(func(fd uintptr) {
			noDelay, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
			keepAlive, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		}))
		require.Equal(t, c.noDelay, min(noDelay, 1))
		require.Equal(t, c.keepAlive, min(keepAlive, 1))
		require.NoError(t, nc.Close())
		require.NoError(t, conn.Close())
	}
}
