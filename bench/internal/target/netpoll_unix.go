//go:build linux || darwin || freebsd || dragonfly || netbsd || openbsd

package target

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/cloudwego/netpoll"
)

func netpollTargets() []Target {
	return []Target{
		{Name: "netpoll raw", Codec: "raw", Start: func() (Running, error) { return startNetpoll(netpollRaw) }},
		{Name: "netpoll", Codec: "u32", Start: func() (Running, error) { return startNetpoll(netpollFramed) }},
	}
}

type netpollServer struct {
	ln    netpoll.Listener
	loop  netpoll.EventLoop
	ended chan error
}

func startNetpoll(answer netpoll.OnRequest) (Running, error) {
	ln, err := netpoll.CreateListener("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	loop, err := netpoll.NewEventLoop(answer)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s := &netpollServer{ln: ln, loop: loop, ended: make(chan error, 1)}
	go func() { s.ended <- loop.Serve(ln) }()
	return s, nil
}

func (s *netpollServer) Addr() net.Addr { return s.ln.Addr() }

func (s *netpollServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = s.loop.Shutdown(ctx) // an error means that connections are still open
	return <-s.ended
}

func netpollRaw(_ context.Context, conn netpoll.Connection) error {
	r, w := conn.Reader(), conn.Writer()
	p, err := r.Next(r.Len())
	if err != nil {
		return err
	}
	if _, err := w.WriteBinary(p); err != nil {
		return err
	}
	return errors.Join(w.Flush(), r.Release())
}

// netpollFramed answers the complete frames that have arrived, and waits for the rest of an incomplete one.
func netpollFramed(_ context.Context, conn netpoll.Connection) error {
	r, w := conn.Reader(), conn.Writer()
	for {
		head, err := r.Peek(4)
		if err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(head))
		if n > frameMax {
			return conn.Close()
		}
		p, err := r.Next(4 + n)
		if err != nil {
			return err
		}
		dst, err := w.Malloc(len(p))
		if err != nil {
			return err
		}
		copy(dst, p)
		if !netpollWhole(r) {
			return errors.Join(w.Flush(), r.Release())
		}
	}
}

func netpollWhole(r netpoll.Reader) bool {
	if r.Len() < 4 {
		return false
	}
	head, err := r.Peek(4)
	return err == nil && r.Len()-4 >= int(binary.BigEndian.Uint32(head))
}
