package chaniotest

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

func TestNetworkConnectsByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network Network
		ln, err := network.Listen("server")
		require.NoError(t, err)
		other, err := network.Listen("")
		require.NoError(t, err)
		defer other.Close()
		_, err = network.Listen("server")
		require.ErrorIs(t, err, syscall.EADDRINUSE)

		near, err := network.Dial(t.Context(), "server")
		require.NoError(t, err)
		nc, err := ln.Accept()
		require.NoError(t, err)
		far := chanio.NewConn(nc, nil)
		require.NoError(t, near.Out.Send(t.Context(), []byte("hi")))
		require.NoError(t, near.Out.Close())
		hi, err := far.In.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hi", string(hi))
		_, err = far.In.Recv(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, far.Close())
		require.NoError(t, near.Close())
	})
}

func TestNetworkFreesTheAddressOfAClosedListener(t *testing.T) {
	var network Network
	_, err := network.Dial(t.Context(), "server")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	ln, err := network.Listen("server")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	again, err := network.Listen("server")
	require.NoError(t, err)
	require.NoError(t, ln.Close(), "a second Close does not free the address of another listener")
	nc, err := network.DialContext(t.Context(), "tcp", "server")
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	require.NoError(t, again.Close())
	_, err = again.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestNetworkCapacityClogsAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := Network{Capacity: 100}
		ln, err := network.Listen("server")
		require.NoError(t, err)
		defer ln.Close()
		ctx, cancel := context.WithCancel(t.Context())
		nc, err := network.DialContext(ctx, "", "server")
		require.NoError(t, err)
		cancel() // has no bearing on the connection
		wrote := make(chan int)
		go func() {
			n, _ := nc.Write(make([]byte, 101))
			wrote <- n
		}()
		synctest.Wait()
		require.NoError(t, nc.Close())
		require.Equal(t, 100, <-wrote)
	})
}

func TestCountSeesTheOrderOfCalls(t *testing.T) {
	a, b := Pipe(0)
	nc, counter := Count(a)
	require.Implements(t, (*tryWriter)(nil), nc)
	io.WriteString(nc, "abc")
	io.ReadFull(b, make([]byte, 3))
	io.WriteString(b, "xy")
	nc.Read(make([]byte, 8))
	nc.(tryWriter).TryWrite([]byte("de"))
	require.Equal(t, "wrw", counter.Calls())
	require.Equal(t, 1, counter.Reads())
	require.Equal(t, 2, counter.Writes())
	require.EqualValues(t, 2, counter.BytesRead())
	require.EqualValues(t, 5, counter.BytesWritten())
	require.NoError(t, nc.(interface{ CloseWrite() error }).CloseWrite())

	bare, _ := Count(struct{ net.Conn }{a})
	require.NotImplements(t, (*tryWriter)(nil), bare)
	require.ErrorContains(t, bare.(interface{ CloseWrite() error }).CloseWrite(), "unsupported")
}
