package socket

import (
	"errors"
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

// rawConn is a connection with the given descriptor, or one that fails.
type rawConn struct {
	syscall.RawConn
	fd     uintptr
	failed error
}

func (c rawConn) Control(f func(fd uintptr)) error {
	if c.failed == nil {
		f(c.fd)
	}
	return c.failed
}

func TestASocketThatCannotShareItsAddressSaysSo(t *testing.T) {
	own := errors.New("the user's own")
	control := Options{ReusePort: true, Control: func(string, string, syscall.RawConn) error { return own }}.ListenConfig().Control
	require.ErrorIs(t, control("tcp", ":0", rawConn{failed: net.ErrClosed}), net.ErrClosed)
	require.ErrorIs(t, control("tcp", ":0", rawConn{fd: ^uintptr(0)}), syscall.EBADF)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.Equal(t, own, control("tcp", ":0", rawConn{fd: uintptr(fd)}))
}
