package chanio_test

import (
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// sendUntilItFails returns why.
func sendUntilItFails(t *testing.T, c *chanio.Conn) (err error) {
	for err == nil {
		err = c.Out.Send(t.Context(), []byte("hello"))
	}
	return err
}

// The kernel tells the write, and what reads then return would look like the peer's end.
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

// A peer that has ended its side and is gone resets what is sent to it afterwards, which does not spoil its end.
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
