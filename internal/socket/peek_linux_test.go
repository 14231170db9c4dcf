package socket

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPeekSaysThatThePeerIsDoneAlsoBehindInput(t *testing.T) {
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer nl.Close()
	c, err := net.Dial("tcp", nl.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	peer, err := nl.Accept()
	require.NoError(t, err)
	defer peer.Close()
	peeker := NewPeeker(c.(*net.TCPConn))
	ask := func(while bool) (pending bool, err error) {
		for giveUp := time.Now().Add(10 * time.Second); time.Now().Before(giveUp); { // the loopback takes a moment
			if pending, err = peeker.Peek(); err != nil || pending != while {
				break
			}
		}
		return pending, err
	}
	pending, err := peeker.Peek()
	require.NoError(t, err)
	require.False(t, pending)
	_, err = io.WriteString(peer, "x")
	require.NoError(t, err)
	pending, err = ask(false)
	require.NoError(t, err)
	require.True(t, pending)
	require.NoError(t, peer.(*net.TCPConn).CloseWrite())
	_, err = ask(true)
	require.ErrorIs(t, err, io.EOF)
}
