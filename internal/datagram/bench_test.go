package datagram

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks compare a Conn with the plain socket of the net package, in turns within one run. They measure only
// that side: a third socket sends the datagrams, one system call each, as many peers would.

// BenchmarkSink receives queued datagrams.
func BenchmarkSink(b *testing.B) {
	compare(b, func(b *testing.B) side {
		s := newSide(b)
		s.plain = func(uc *net.UDPConn, buf []byte) {
			n, _, err := uc.ReadFromUDPAddrPort(buf)
			check(b, err)
			s.kept = append([]byte(nil), buf[:n]...) // the receiver's own, as a Conn's are
		}
		s.ours = func(ctx context.Context, c *Conn) {
			p, err := c.In.Recv(ctx)
			check(b, err)
			s.kept = p.Data
		}
		return s
	})
}

// BenchmarkEcho receives queued datagrams and sends them back.
func BenchmarkEcho(b *testing.B) {
	compare(b, func(b *testing.B) side {
		s := newSide(b)
		s.replies = New(s.from, Config{})
		s.plain = func(uc *net.UDPConn, buf []byte) {
			n, addr, err := uc.ReadFromUDPAddrPort(buf)
			check(b, err)
			_, err = uc.WriteToUDPAddrPort(buf[:n], addr)
			check(b, err)
		}
		s.ours = func(ctx context.Context, c *Conn) {
			p, err := c.In.Recv(ctx)
			check(b, err)
			check(b, c.Out.Send(ctx, p))
		}
		return s
	})
}

// BenchmarkPingPong echoes one datagram at a time to a peer that waits for it in its own goroutine.
func BenchmarkPingPong(b *testing.B) {
	peer, uc, c := benchSocket(b), benchSocket(b), New(benchSocket(b), Config{})
	ctx := b.Context()
	go func() {
		var buf [2048]byte
		for {
			n, addr, err := uc.ReadFromUDPAddrPort(buf[:])
			if err != nil {
				return
			}
			_, _ = uc.WriteToUDPAddrPort(buf[:n], addr)
		}
	}()
	go func() {
		for p := range c.In.All(ctx) {
			_ = c.Out.Send(ctx, p)
		}
	}()
	var data [64]byte
	trip := func(to netip.AddrPort) time.Duration {
		began := time.Now()
		_, err := peer.WriteToUDPAddrPort(data[:], to)
		check(b, err)
		_, _, err = peer.ReadFromUDPAddrPort(data[:])
		check(b, err)
		return time.Since(began)
	}
	var plain, ours []time.Duration
	for range b.N {
		plain = append(plain, trip(addrPortOf(uc.LocalAddr())))
		ours = append(ours, trip(c.addr))
	}
	a, o := typical(plain), typical(ours)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(a, "net-ns/trip")
	b.ReportMetric(o, "weir-ns/trip")
	b.ReportMetric(a/o, "times")
}

// side is one of the sockets that are compared.
type side struct {
	from, uc *net.UDPConn
	conn     *Conn
	plain    func(uc *net.UDPConn, buf []byte)
	ours     func(ctx context.Context, c *Conn)
	kept     []byte
	replies  *Conn // of from, to be received too
}

func newSide(b *testing.B) side {
	return side{from: benchSocket(b), uc: benchSocket(b), conn: New(benchSocket(b), Config{})}
}

func benchSocket(b *testing.B) *net.UDPConn {
	uc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(b, err)
	require.NoError(b, uc.SetReadBuffer(4<<20))
	b.Cleanup(func() { _ = uc.Close() })
	return uc
}

func compare(b *testing.B, sides func(b *testing.B) side) {
	for _, queued := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("queued=%d", queued), func(b *testing.B) {
			s := sides(b)
			ctx := b.Context()
			var buf [2048]byte
			var plain, ours []time.Duration
			for i := 0; i < b.N; i += 2 * queued {
				plain = append(plain, s.round(b, addrPortOf(s.uc.LocalAddr()), queued, func() { s.plain(s.uc, buf[:]) }))
				ours = append(ours, s.round(b, s.conn.addr, queued, func() { s.ours(ctx, s.conn) }))
			}
			a, c := typical(plain), typical(ours)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(a/float64(queued), "net-ns/datagram")
			b.ReportMetric(c/float64(queued), "weir-ns/datagram")
			b.ReportMetric(a/c, "times")
		})
	}
}

// round queues datagrams of 64 bytes and returns how long it takes to have f deal with them.
func (s *side) round(b *testing.B, to netip.AddrPort, queued int, f func()) time.Duration {
	var data [64]byte
	for range queued {
		_, err := s.from.WriteToUDPAddrPort(data[:], to)
		check(b, err)
	}
	began := time.Now()
	for range queued {
		f()
	}
	spent := time.Since(began)
	for range queued {
		if s.replies != nil {
			_, err := s.replies.In.Recv(b.Context())
			check(b, err)
		}
	}
	return spent
}

// typical is the lower quartile: a busy machine spoils means and medians.
func typical(rounds []time.Duration) float64 {
	slices.Sort(rounds)
	return float64(rounds[len(rounds)/4].Nanoseconds())
}

// check is require.NoError, which takes long.
func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}
