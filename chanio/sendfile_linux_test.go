package chanio_test

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// The kernel reports the error of a socket once, and sendfile may be the call that gets it.
func TestTransferOfAFileReportsWhyTheConnectionFailed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	peer, err := ln.Accept() // reads nothing
	require.NoError(t, err)
	defer peer.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	const userTimeout = 18 // TCP_USER_TIMEOUT
	require.NoError(t, raw.Control(func(fd uintptr) {
		require.NoError(t, syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, 100))
	}))
	name := filepath.Join(t.TempDir(), "zeros")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.NoError(t, os.Truncate(name, 64<<20))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	conn := chanio.NewConn(nc, nil)
	defer conn.Abort(nil)
	_, err = chanio.Transfer(t.Context(), chanio.FromFile(f, 0, 64<<20), conn.Out)
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
	require.ErrorIs(t, conn.Out.Err(), syscall.ETIMEDOUT)
}
