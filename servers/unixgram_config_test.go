//go:build unix && !aix && !solaris

package servers_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func TestUnixgramConfigsOfBothSidesHoldForBoth(t *testing.T) {
	server := listenUnixgram(t, socketPath(t), &servers.UnixgramConfig{WriteBuffer: 20_000})
	client := dialUnixgram(t, server.LocalAddr(), &clients.UnixgramConfig{MaxDatagram: 10})
	err := server.Out.Send(t.Context(), chanio.UnixPacket{Addr: client.LocalAddr(), Data: make([]byte, 1<<20)})
	require.ErrorIs(t, err, syscall.EMSGSIZE)
	sendUnixgram(t, server, client.LocalAddr(), "0123456789a")
	sendUnixgram(t, server, client.LocalAddr(), "short")
	_, text := receiveUnixgram(t, client)
	require.Equal(t, "short", text)
	require.EqualValues(t, 1, client.Stats().Truncated)
}

// TestUnixgramLingerIsWhatTheConfigSays closes sockets whose channel has datagrams for a receiver that is full.
func TestUnixgramLingerIsWhatTheConfigSays(t *testing.T) {
	full := listenUnixgram(t, socketPath(t), nil)
	clogged := func(c *chanio.UnixPacketConn) *chanio.UnixPacketConn {
		p := chanio.UnixPacket{Addr: full.LocalAddr(), Data: []byte("x")}
		for ok := true; ok; {
			var err error
			ok, err = c.Out.TrySend(p)
			require.NoError(t, err)
		}
		c.Out.C(t.Context()) <- p
		return c
	}
	long := clogged(listenUnixgram(t, socketPath(t), &servers.UnixgramConfig{Linger: time.Hour}))
	closed := make(chan error, 1)
	go func() { closed <- long.Close() }()
	for _, short := range []*chanio.UnixPacketConn{
		listenUnixgram(t, socketPath(t), &servers.UnixgramConfig{Linger: 1}),
		dialUnixgram(t, full.LocalAddr(), &clients.UnixgramConfig{Linger: 1}),
	} {
		require.ErrorIs(t, clogged(short).Close(), os.ErrDeadlineExceeded)
	}
	select {
	case err := <-closed:
		require.NoError(t, err, "the hour is not over")
		t.Fatal("closed before its datagrams were sent")
	default:
	}
	require.NoError(t, full.Close())
	<-closed
}
