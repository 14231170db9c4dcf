package clients_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

func TestMain(m *testing.M) { chaniotest.Main(m) }

// listen returns a plain listener, so that the tested code does not test itself.
func listen(t testing.TB) *net.TCPListener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln.(*net.TCPListener)
}

// pair returns a dialled Conn and the plain far end.
func pair(t testing.TB, ctx context.Context, cfg *clients.Config) (*chanio.Conn, *net.TCPConn) {
	ln := listen(t)
	c, err := clients.DialTCP(ctx, ln.Addr().String(), cfg)
	require.NoError(t, err)
	nc, err := ln.Accept()
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { _ = nc.Close(); _ = c.Close() })
	return c, nc.(*net.TCPConn)
}

func TestContextBoundsTheDialOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, nc := pair(t, ctx, nil)
	cancel()
	require.NoError(t, c.Out.Send(t.Context(), []byte("hello")))
	got := make([]byte, 5)
	_, err := io.ReadFull(nc, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

func TestG6HalfCloseBothWays(t *testing.T) {
	c, nc := pair(t, t.Context(), nil)
	require.NoError(t, c.Out.Send(t.Context(), []byte("question")))
	require.NoError(t, c.Out.Close())
	question, err := io.ReadAll(nc)
	require.NoError(t, err)
	require.Equal(t, "question", string(question))
	_, err = io.WriteString(nc, "answer")
	require.NoError(t, err)
	require.NoError(t, nc.Close())
	answer, err := c.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "answer", string(answer))
	_, err = c.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	<-c.Done()
}

func TestG15ErrorsOfDiallingSayWhyAndWhatToDo(t *testing.T) {
	nobody := listen(t)
	addr := nobody.Addr().String()
	require.NoError(t, nobody.Close())
	reason := errors.New("the user went away")
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	for name, c := range map[string]struct {
		ctx  context.Context
		addr string
		cfg  *clients.Config
		hint string
		is   error
	}{
		"refused":     {addr: addr, hint: "nothing listens there", is: syscall.ECONNREFUSED},
		"no port":     {addr: "localhost", hint: "an address is host:port"},
		"cancelled":   {ctx: gone, addr: addr, hint: "the user went away", is: reason},
		"timeout":     {addr: addr, cfg: &clients.Config{Timeout: 1}, hint: "no connection within 1ns", is: os.ErrDeadlineExceeded},
		"local":       {addr: addr, cfg: &clients.Config{LocalAddr: "nowhere"}, hint: "clients: LocalAddr: "},
		"local taken": {addr: addr, cfg: &clients.Config{LocalAddr: "192.0.2.1:0"}, hint: "no interface of this machine", is: syscall.EADDRNOTAVAIL},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			conn, err := clients.DialTCP(ctx, c.addr, c.cfg)
			require.Nil(t, conn)
			require.ErrorContains(t, err, "clients: ")
			require.ErrorContains(t, err, c.hint)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "dial", op.Op)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
		})
	}
}
