package target

import (
	"context"
	"errors"
	"net"

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
	}
}

// udpLoop reads a datagram and writes it back.
type udpLoop struct {
	conn  *net.UDPConn
	ended chan struct{}
}

func startUDPLoop() (Running, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	l := &udpLoop{conn, make(chan struct{})}
	go l.run()
	return l, nil
}

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

// weirSocket is a UDP socket of ours.
type weirSocket struct {
	conn   *servers.UDPConn
	cancel context.CancelFunc
	ended  chan error
}

func weirUDP(name string, echo form[chanio.Packet]) Target {
	return Target{Name: name, Codec: "raw", Start: func() (Running, error) {
		conn, err := servers.ListenUDP("127.0.0.1:0", nil)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		s := &weirSocket{conn, cancel, make(chan error, 1)}
		go func() { s.ended <- echo(ctx, conn.In, conn.Out) }()
		return s, nil
	}}
}

func (s *weirSocket) Addr() net.Addr { return net.UDPAddrFromAddrPort(s.conn.LocalAddr()) }

func (s *weirSocket) Close() error {
	s.cancel()
	err := <-s.ended
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.conn.Close())
}
