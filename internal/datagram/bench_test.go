package datagram

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
)

// The benchmarks set a Conn beside the plain socket of the net package. They measure the side that is compared alone:
// what it is sent comes from the same sender for all.

var benchSizes = []int{1, 32, 64}

func benchConn(b *testing.B, cfg Config) *Conn {
	uc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(b, err)
	_ = uc.SetReadBuffer(4 << 20)
	c := New(uc, cfg)
	b.Cleanup(func() { c.Out.Abort(nil) })
	return c
}

func benchEach(b *testing.B, run func(b *testing.B, queued int, batched bool)) {
	for _, queued := range benchSizes {
		b.Run(fmt.Sprintf("net/queued=%d", queued), func(b *testing.B) { run(b, queued, false) })
		b.Run(fmt.Sprintf("weir/queued=%d", queued), func(b *testing.B) { run(b, queued, true) })
	}
}

// BenchmarkSink receives what is queued.
func BenchmarkSink(b *testing.B) {
	benchEach(b, func(b *testing.B, queued int, batched bool) {
		from, to := benchConn(b, Config{}), benchConn(b, Config{})
		var buf [2048]byte
		receive := func() {
			if batched {
				_, err := to.In.Recv(b.Context())
				require.NoError(b, err)
				return
			}
			n, _, err := to.uc.ReadFromUDPAddrPort(buf[:])
			require.NoError(b, err)
			_ = append([]byte(nil), buf[:n]...) // owned
		}
		var spent time.Duration
		b.ReportAllocs()
		for i := 0; i < b.N; i += queued {
			fill(b, from, to.local, queued)
			began := time.Now()
			for range queued {
				receive()
			}
			spent += time.Since(began)
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64((b.N+queued-1)/queued*queued), "ns/datagram")
	})
}

// BenchmarkEcho receives what is queued and sends it back.
func BenchmarkEcho(b *testing.B) {
	benchEach(b, func(b *testing.B, queued int, batched bool) {
		from, to := benchConn(b, Config{}), benchConn(b, Config{})
		var buf [2048]byte
		echo := func() {
			if batched {
				p, err := to.In.Recv(b.Context())
				require.NoError(b, err)
				require.NoError(b, to.Out.Send(b.Context(), p))
				return
			}
			n, addr, err := to.uc.ReadFromUDPAddrPort(buf[:])
			require.NoError(b, err)
			_, err = to.uc.WriteToUDPAddrPort(buf[:n], addr)
			require.NoError(b, err)
		}
		var spent time.Duration
		for i := 0; i < b.N; i += queued {
			fill(b, from, to.local, queued)
			began := time.Now()
			for range queued {
				echo()
			}
			spent += time.Since(began)
			for range queued {
				_, err := from.In.Recv(b.Context())
				require.NoError(b, err)
			}
		}
		b.ReportMetric(float64(spent.Nanoseconds())/float64((b.N+queued-1)/queued*queued), "ns/datagram")
	})
}

// fill sends n datagrams, each as one that came from the network.
func fill(b *testing.B, from *Conn, to netip.AddrPort, n int) {
	var data [64]byte
	for range n {
		_, err := from.uc.WriteToUDPAddrPort(data[:], to)
		require.NoError(b, err)
	}
	_ = chanio.Packet{}
}
