//go:build unix && !aix && !solaris

package clients_test

import (
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weir-go/weir/clients"
)

func TestDialUnixgramHeedsItsConfig(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	pc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "server"), Net: "unixgram"})
	require.NoError(t, err)
	defer pc.Close()
	own := filepath.Join(dir, "own")
	c, err := clients.DialUnixgram(filepath.Join(dir, "server"), &clients.UnixgramConfig{LocalAddr: own, Mode: 0o600})
	require.NoError(t, err)
	info, err := os.Lstat(own)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	require.NoError(t, c.Close())
	_, err = os.Lstat(own)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = clients.DialUnixgram(filepath.Join(dir, "server"), &clients.UnixgramConfig{MaxDatagram: math.MaxInt})
	require.ErrorContains(t, err, "MaxDatagram is at most 1073741824", "no buffer can have that size")
}
