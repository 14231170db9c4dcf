package datagram

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

const suiteSize = 64

func TestConformance(t *testing.T)           { conformance(t, false) }
func TestConformanceOneAtATime(t *testing.T) { conformance(t, true) }

func conformance(t *testing.T, plain bool) {
	chaniotest.TestDuplex(t, chaniotest.Duplexes[chanio.Packet]{
		Connect: func(t testing.TB) (near, far *chanio.Duplex[chanio.Packet, chanio.Packet]) {
			a, b := connected(t, Config{Linger: time.Second}, plain)
			return &a.Duplex, &b.Duplex
		},
		Make: func(i int) chanio.Packet {
			p := make([]byte, suiteSize)
			for j := 0; j < suiteSize; j += 4 {
				binary.BigEndian.PutUint32(p[j:], uint32(i))
			}
			return chanio.Packet{Data: p}
		},
		Number: func(p chanio.Packet) int {
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
		Facts: chaniotest.Facts{Datagrams: true, NoHalfClose: true, Linger: time.Second},
	})
}

// connected returns two sockets that are each other's peer.
func connected(t testing.TB, cfg Config, plain bool) (a, b *Conn) {
	t.Helper()
	loopback := net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	first, err := net.ListenUDP("udp4", &loopback)
	require.NoError(t, err)
	second, err := net.DialUDP("udp4", &loopback, first.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	local := first.LocalAddr().(*net.UDPAddr)
	require.NoError(t, first.Close())
	again, err := net.DialUDP("udp4", local, second.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	return wrap(t, again, cfg, plain), wrap(t, second, cfg, plain)
}

func wrap(t testing.TB, uc *net.UDPConn, cfg Config, plain bool) *Conn {
	_ = uc.SetReadBuffer(4 << 20)
	cfg.plain = plain
	c := New(uc, cfg)
	t.Cleanup(func() { c.Out.Abort(nil) })
	return c
}
