package socket

import (
	"math"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeepAliveIsWhatItSaysOrTheMostThatTheKernelTakes(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	for d, want := range map[time.Duration]int{
		0: 15, 1: 1, time.Hour: 3600, 24 * time.Hour: 32767, math.MaxInt64: 32767,
	} {
		c, err := Options{KeepAlive: d}.Dialer().Dial("tcp", nl.Addr().String())
		require.NoError(t, err)
		raw, err := c.(*net.TCPConn).SyscallConn()
		require.NoError(t, err)
		for _, name := range []int{syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL} {
			var got int
			require.NoError(t, raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name) }))
			require.NoError(t, err)
			require.Equal(t, want, got, d)
		}
		require.NoError(t, c.Close())
	}
}
