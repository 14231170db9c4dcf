package chanio_test

import (
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// sendUntilItFails sends until that fails and returns the error.
func sendUntilItFails(t *testing.T, c *chanio.Conn) (err error) {
	for err == nil {
		err = c.Out.Send(t.Context(), []byte("hello"))
	}
	return err
}

// The kernel reports the reset to the write only. A read after it looks like the peer's clean end.
func TestG1AResetThatAWriteMetIsNoCleanEnd(t *testing.T) {
	for name, connect := range map[string]func(testing.TB) (near, far *chanio.Conn){"tcp": tcpPair, "tls": tlsPair} {
		t.Run(name, func(t *testing.T) {
			near, far := connect(t)
			far.Out.Abort(nil)
			require.ErrorIs(t, sendUntilItFails(t, near), syscall.ECONNRESET)
			_, err := near.In.Recv(t.Context())
			require.ErrorIs(t, err, syscall.ECONNRESET)
			<-near.Done()
		})
	}
}

// A peer that has closed its side and vanished resets what is sent to it afterwards. Its end stays clean.
func TestG1AnEndBeforeAResetIsClean(t *testing.T) {
	a, b := socketPair(t, "tcp", "127.0.0.1:0")
	near := chanio.NewConn(a, nil)
	_, err := io.WriteString(b, "bye")
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.ErrorIs(t, sendUntilItFails(t, near), syscall.EPIPE)
	chunk, err := near.In.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "bye", string(chunk))
	_, err = near.In.Recv(t.Context())
	require.Equal(t, io.EOF, err)
	<-near.Done()
}

// The kernel reports a shutdown of a connection that is gone as ENOTCONN.
func TestG1CloseOfAConnectionThatWasResetSaysSo(t *testing.T) {
	type foreign struct{ *net.TCPConn }
	for name, disguise := range map[string]func(*net.TCPConn) net.Conn{
		"socket":  func(nc *net.TCPConn) net.Conn { return nc },
		"foreign": func(nc *net.TCPConn) net.Conn { return foreign{nc} },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := socketPair(t, "tcp", "127.0.0.1:0")
			near := chanio.NewConn(disguise(a.(*net.TCPConn)), nil)
			far := chanio.NewConn(b, nil)
			far.Out.Abort(nil)
			<-far.Done()
			err := near.Close()
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.NotErrorIs(t, err, syscall.ENOTCONN)
			<-near.Done()
		})
	}
}
