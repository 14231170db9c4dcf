//go:build unix

package servers_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

func TestUDPConfigReachesTheSocket(t *testing.T) {
	conn := listenUDP(t, &servers.UDPConfig{TTL: 7, TOS: 0x48, MulticastTTL: 3, MulticastNoLoopback: true, ReadBuffer: 64 << 10})
	other := listenUDP(t, &servers.UDPConfig{Broadcast: true})
	require.Equal(t, 7, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_TTL))
	require.Equal(t, 0x48, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_TOS))
	require.Equal(t, 3, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_MULTICAST_TTL))
	require.Equal(t, 0, optionUDP(t, conn, syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP))
	require.Equal(t, 1, optionUDP(t, other, syscall.IPPROTO_IP, syscall.IP_MULTICAST_LOOP))
	require.Equal(t, 0, optionUDP(t, conn, syscall.SOL_SOCKET, syscall.SO_BROADCAST))
	require.NotEqual(t, 0, optionUDP(t, other, syscall.SOL_SOCKET, syscall.SO_BROADCAST))
	require.Less(t, optionUDP(t, conn, syscall.SOL_SOCKET, syscall.SO_RCVBUF), optionUDP(t, other, syscall.SOL_SOCKET, syscall.SO_RCVBUF))
}

// optionUDP reads an option of the socket below.
func optionUDP(t *testing.T, conn *servers.UDPConn, level, name int) (value int) {
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }))
	require.NoError(t, err)
	return value
}
