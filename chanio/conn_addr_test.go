package chanio_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

func TestAddressesOfTheConfigGoBeforeThoseBelow(t *testing.T) {
	a, b := chaniotest.Pipe(0)
	here, peer := &net.TCPAddr{Port: 1}, &net.TCPAddr{Port: 2}
	near := chanio.NewConn(a, &chanio.ConnConfig{LocalAddr: here, RemoteAddr: peer})
	far := chanio.NewConn(b, nil)
	abortAfter(t, near, far)
	require.Same(t, here, near.LocalAddr())
	require.Same(t, peer, near.RemoteAddr())
	require.Equal(t, b.LocalAddr(), far.LocalAddr())
	require.Equal(t, a.LocalAddr(), far.RemoteAddr())
}
