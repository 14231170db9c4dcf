package target

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func datagramTargets() []Target {
	return []Target{
		{Name: "udp loop", Codec: "raw", Start: startUDPLoop},
		weirUDP("weir udp Connect", pipeline.Connect),
		weirUDP("weir udp Recv/Send", loop),
		weirUDP("weir udp channels", channels),
		{Name: "udp sink loop", Codec: "raw", Start: startUDPSink},
		weirUDPSink("weir udp sink Recv", receiveAll),
		weirUDPSink("weir udp sink channel", rangeAll),
	}
}

// udpLoop reads a datagram and writes it back.
type udpLoop struct {
	conn  *net.UDPConn
	ended chan struct{}
	n     atomic.Uint64
}

func startUDPLoop() (Running, error) { return newUDPLoop((*udpLoop).run) }

func startUDPSink() (Running, error) { return newUDPLoop((*udpLoop).sink) }

func newUDPLoop(run func(*udpLoop)) (Running, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	l := &udpLoop{conn: conn, ended: make(chan struct{})}
	go run(l)
	return l, nil
}

// sink counts datagrams.
func (l *udpLoop) sink() {
	defer close(l.ended)
	buf := make([]byte, 64<<10)
	for {
		if _, _, err := l.conn.ReadFromUDPAddrPort(buf); err != nil {
			return
		}
		l.n.Add(1)
	}
}

// Count returns how many datagrams a sink has received.
func (l *udpLoop) Count() uint64 { return l.n.Load() }

func (l *udpLoop) run() {
	defer close(l.ended)
	buf := make([]byte, 64<<10)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = l.conn.WriteToUDPAddrPort(buf[:n], from) // a datagram may be lost
	}
}

func (l *udpLoop) Addr() net.Addr { return l.conn.LocalAddr() }

func (l *udpLoop) Close() error {
	err := l.conn.Close()
	<-l.ended
	return err
}

// weirSocket is a PacketConn.
type weirSocket struct {
	conn   *chanio.PacketConn
	cancel context.CancelFunc
	ended  chan error
	n      atomic.Uint64
}

func weirUDP(name string, echo form[chanio.Packet]) Target {
	return Target{Name: name, Codec: "raw", Start: func() (Running, error) {
		return newWeirSocket(func(ctx context.Context, s *weirSocket) error { return echo(ctx, s.conn.In, s.conn.Out) })
	}}
}

func weirUDPSink(name string, receive func(ctx context.Context, s *weirSocket) error) Target {
	return Target{Name: name, Codec: "raw", Start: func() (Running, error) { return newWeirSocket(receive) }}
}

func newWeirSocket(run func(ctx context.Context, s *weirSocket) error) (Running, error) {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &weirSocket{conn: conn, cancel: cancel, ended: make(chan error, 1)}
	go func() { s.ended <- run(ctx, s) }()
	return s, nil
}

func receiveAll(ctx context.Context, s *weirSocket) error {
	for {
		if _, err := s.conn.In.Recv(ctx); err != nil {
			return err
		}
		s.n.Add(1)
	}
}

func rangeAll(ctx context.Context, s *weirSocket) error {
	for range s.conn.In.C(ctx) {
		s.n.Add(1)
	}
	return s.conn.In.Err()
}

// Count returns how many datagrams a sink has received.
func (s *weirSocket) Count() uint64 { return s.n.Load() }

func (s *weirSocket) Addr() net.Addr { return net.UDPAddrFromAddrPort(s.conn.LocalAddr()) }

func (s *weirSocket) Close() error {
	s.cancel()
	err := <-s.ended
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.conn.Close())
}
