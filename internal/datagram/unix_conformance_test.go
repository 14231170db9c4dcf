//go:build unix && !aix && !solaris

package datagram

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// socketPath returns a path in a new directory. It is short, whatever the name of the test.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "weir")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func openUnixConn(t testing.TB, cfg UnixConfig) *chanio.UnixPacketConn {
	t.Helper()
	c, err := OpenUnix(&cfg)
	require.NoError(t, err)
	t.Cleanup(func() { c.Out.Abort(nil) })
	return c
}

// connectedUnix returns two sockets that are each other's peer.
func connectedUnix(t testing.TB, cfg UnixConfig) (a, b *chanio.UnixPacketConn) {
	t.Helper()
	there, here := socketPath(t), socketPath(t)
	first := cfg
	first.Local = there
	a = openUnixConn(t, first)
	cfg.Local, cfg.Remote = here, there
	b = openUnixConn(t, cfg)
	c := a.PacketSocket.(*UnixConn)
	c.peer = here
	require.NoError(t, c.connect())
	return a, b
}

func TestConformanceOfUnix(t *testing.T) {
	chaniotest.TestDuplex(t, chaniotest.Duplexes[chanio.UnixPacket]{
		Connect: func(t testing.TB) (near, far *chanio.Duplex[chanio.UnixPacket, chanio.UnixPacket]) {
			a, b := connectedUnix(t, UnixConfig{Linger: time.Second})
			return &a.Duplex, &b.Duplex
		},
		Make: func(i int) chanio.UnixPacket {
			p := make([]byte, suiteSize)
			for j := 0; j < suiteSize; j += 4 {
				binary.BigEndian.PutUint32(p[j:], uint32(i))
			}
			return chanio.UnixPacket{Data: p}
		},
		Number: func(p chanio.UnixPacket) int {
			for j := 4; j < len(p.Data); j += 4 {
				if string(p.Data[:4]) != string(p.Data[j:j+4]) {
					return -1
				}
			}
			if len(p.Data) != suiteSize {
				return -1
			}
			return int(binary.BigEndian.Uint32(p.Data))
		},
		Facts: chaniotest.Facts{Datagrams: true, Reliable: true, NoHalfClose: true, Direct: true, Linger: time.Second},
	})
}
