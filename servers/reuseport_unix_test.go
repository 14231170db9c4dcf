//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package servers_test

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

func TestListenersThatReuseThePortShareIt(t *testing.T) {
	var controlled atomic.Int32
	cfg := &servers.Config{ReusePort: true, Control: func(string, string, syscall.RawConn) error {
		controlled.Add(1)
		return nil
	}}
	one := listen(t, cfg)
	two, err := servers.ListenTCP(one.Addr().String(), cfg)
	require.NoError(t, err)
	require.EqualValues(t, 2, controlled.Load())
	_, err = servers.ListenTCP(one.Addr().String(), nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "who does not ask for it does not share")

	serveOn(t, t.Context(), one, echo)
	serveOn(t, t.Context(), two, echo)
	for range 20 { // the one that gets it serves it
		nc := dial(t, one)
		require.Equal(t, "hello", say(t, nc, "hello"))
		require.NoError(t, nc.Close())
	}
	require.NoError(t, one.Close())
	nc, err := net.Dial("tcp", two.Addr().String())
	require.NoError(t, err)
	require.Equal(t, "hello", say(t, nc, "hello"), "the other goes on alone")
	require.NoError(t, nc.Close())
}
