package servers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func TestUnixAbstractNames(t *testing.T) {
	name := fmt.Sprintf("@weir/%d", os.Getpid())
	ln := listenUnix(t, name, nil)
	require.Equal(t, "unix "+name+" (listening, 0 open)", ln.String())
	serveOn(t, t.Context(), ln, echo)
	c, err := clients.DialUnix(t.Context(), name, nil)
	require.NoError(t, err)
	require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
	chunk, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(chunk))
	require.NoError(t, c.Close())
	_, err = servers.ListenUnix(name, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Equal(t, 1, strings.Count(err.Error(), "listen unix"), err)
	require.NoError(t, ln.Close())
	listenUnix(t, name, nil)
}

// The server does not accept. A full backlog makes DialUnix wait until ctx ends or the server accepts.
func TestUnixAFullBacklogMakesDiallingWait(t *testing.T) {
	path := socketPath(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	require.NoError(t, syscall.Listen(fd, 0))
	dialUnix(t, path) // fills the backlog

	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("tired of waiting")
	refused := make(chan error, 1)
	go func() {
		_, err := clients.DialUnix(ctx, path, nil)
		refused <- err
	}()
	cancel(reason)
	require.ErrorIs(t, <-refused, reason)

	dialled := make(chan error, 1)
	go func() {
		c, err := clients.DialUnix(t.Context(), path, nil)
		if err == nil {
			err = c.Close()
		}
		dialled <- err
	}()
	for range 2 {
		nfd, _, err := syscall.Accept(fd)
		require.NoError(t, err)
		require.NoError(t, syscall.Close(nfd))
	}
	require.NoError(t, <-dialled)
}
