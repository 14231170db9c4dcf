package servers_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func TestUnixgramAbstractNames(t *testing.T) {
	name := fmt.Sprintf("@weir/gram/%d", os.Getpid())
	server := listenUnixgram(t, name, nil)
	require.Equal(t, name, server.LocalAddr())
	client, err := clients.DialUnixgram(name, nil)
	require.NoError(t, err)
	defer client.Close()
	require.Regexp(t, "^@[0-9a-f]{5}$", client.LocalAddr(), "the kernel has chosen")
	sendUnixgram(t, client, "", "hello")
	from, text := receiveUnixgram(t, server)
	require.Equal(t, "hello", text)
	require.Equal(t, client.LocalAddr(), from)
	sendUnixgram(t, server, from, "and back")
	_, text = receiveUnixgram(t, client)
	require.Equal(t, "and back", text)
	_, err = servers.ListenUnixgram(name, nil)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, server.Close())
	listenUnixgram(t, name, nil)
}

func TestUnixgramToASocketWithAnotherPeer(t *testing.T) {
	server, stranger := listenUnixgram(t, socketPath(t), nil), listenUnixgram(t, socketPath(t), nil)
	client := dialUnixgram(t, server.LocalAddr(), nil)
	err := stranger.Out.Send(t.Context(), chanio.UnixPacket{Addr: client.LocalAddr(), Data: []byte("psst")})
	require.ErrorIs(t, err, syscall.EPERM)
	require.ErrorContains(t, err, "receives from nobody else")
	require.NoError(t, stranger.Out.Err())
}
