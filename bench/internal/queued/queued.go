// Package queued measures a socket on which many datagrams are already queued: the cost of each for a server that lags
// behind. A generator in another process cannot keep a queue filled on a machine with few processors, because sending a
// datagram costs more than receiving it.
package queued

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

// Len is the number of datagrams of Size bytes that are queued each time.
const (
	Len  = 128
	Size = 64
)

// Form is a way to receive, and optionally answer, datagrams.
type Form struct {
	Name string
	Ours bool
	Echo bool
	open func() (socket, error)
}

// socket is a socket that is measured.
type socket interface {
	addr() *net.UDPAddr
	take(n int) error // receives n datagrams that have arrived, and answers them
	Close() error
}

// Forms returns all forms.
func Forms() []Form {
	return []Form{
		{"udp loop, receive", false, false, openPlain(false)},
		{"weir Recv, receive", true, false, openOurs(receive)},
		{"weir All, receive", true, false, openOurs(receiveAll)},
		{"udp loop, echo", false, true, openPlain(true)},
		{"weir Recv/Send, echo", true, true, openOurs(echo)},
	}
}

// Run is an open Form, with the peer that fills its queue.
type Run struct {
	socket socket
	peer   *net.UDPConn
	many   *ipv4.PacketConn
	out    []ipv4.Message
	echo   bool
}

// Open opens the sockets of f.
func (f Form) Open() (*Run, error) {
	s, err := f.open()
	if err != nil {
		return nil, err
	}
	peer, err := net.DialUDP("udp4", nil, s.addr())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	r := &Run{socket: s, peer: peer, many: ipv4.NewPacketConn(peer), echo: f.Echo, out: make([]ipv4.Message, Len)}
	for i := range r.out {
		r.out[i].Buffers = [][]byte{make([]byte, Size)}
	}
	return r, nil
}

// Once fills the queue and returns how long it took to empty it.
func (r *Run) Once() (n int, took time.Duration, err error) {
	for batch := r.out; len(batch) > 0; {
		n, err := r.many.WriteBatch(batch, 0)
		if err != nil {
			return 0, 0, err
		}
		batch = batch[n:]
	}
	began := time.Now()
	err = r.socket.take(Len)
	took = time.Since(began)
	if err == nil && r.echo {
		err = r.answers()
	}
	return Len, took, err
}

// answers receives the echoes.
func (r *Run) answers() error {
	var buf [Size + 1]byte
	if err := r.peer.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	for range Len {
		if n, err := r.peer.Read(buf[:]); err != nil || n != Size {
			return errors.Join(err, errors.New("queued: an answer is missing or wrong"))
		}
	}
	return nil
}

// Close closes the sockets.
func (r *Run) Close() error { return errors.Join(r.peer.Close(), r.socket.Close()) }

// plain is a loop over the standard library's socket.
type plain struct {
	*net.UDPConn
	echo bool
	buf  [64 << 10]byte
}

func openPlain(echo bool) func() (socket, error) {
	return func() (socket, error) {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return &plain{UDPConn: conn, echo: echo}, err
	}
}

func (p *plain) addr() *net.UDPAddr { return p.LocalAddr().(*net.UDPAddr) }

func (p *plain) take(n int) error {
	for range n {
		m, from, err := p.ReadFromUDPAddrPort(p.buf[:])
		if err != nil {
			return err
		}
		if !p.echo {
			continue
		}
		if _, err := p.WriteToUDPAddrPort(p.buf[:m], from); err != nil {
			return err
		}
	}
	return nil
}

// ours is a loop over a PacketConn.
type ours struct {
	*chanio.PacketConn
	ctx    context.Context
	cancel context.CancelFunc
	loop   func(ctx context.Context, conn *chanio.PacketConn, n int) error
}

func openOurs(loop func(context.Context, *chanio.PacketConn, int) error) func() (socket, error) {
	return func() (socket, error) {
		conn, err := servers.ListenUDP("127.0.0.1:0", nil)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.Background()) // like a handler's
		return &ours{conn, ctx, cancel, loop}, nil
	}
}

func (o *ours) addr() *net.UDPAddr { return net.UDPAddrFromAddrPort(o.LocalAddr()) }

func (o *ours) take(n int) error { return o.loop(o.ctx, o.PacketConn, n) }

func (o *ours) Close() error {
	o.cancel()
	return o.PacketConn.Close()
}

func receive(ctx context.Context, conn *chanio.PacketConn, n int) error {
	for range n {
		if _, err := conn.In.Recv(ctx); err != nil {
			return err
		}
	}
	return nil
}

func receiveAll(ctx context.Context, conn *chanio.PacketConn, n int) error {
	for range conn.In.All(ctx) {
		if n--; n == 0 {
			return nil
		}
	}
	return conn.In.Err()
}

func echo(ctx context.Context, conn *chanio.PacketConn, n int) error {
	for range n {
		p, err := conn.In.Recv(ctx)
		if err != nil {
			return err
		}
		if err := conn.Out.Send(ctx, p); err != nil {
			return err
		}
	}
	return conn.Out.Flush(ctx)
}
