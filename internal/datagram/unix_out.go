//go:build unix && !aix && !solaris

package datagram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/unixfile"
)

// unixOutlet is the sending half of a UnixConn. One sender at a time passes its datagram to the kernel, which has it in
// the receiver's queue then. While that is full, the sender waits and the others wait behind it.
type unixOutlet struct {
	c    *UnixConn
	gate gate          // of the write deadline; for whoever has the turn
	turn chan struct{} // has room for the sender whose turn it is
	over chan struct{} // closed when nothing can be sent any more
	once sync.Once
	err  error // why; written before over is closed

	// Of the call under way.
	try    func(fd uintptr) bool // tryWrite, made once
	p      *chanio.UnixPacket
	wait   bool
	result error
}

func (o *unixOutlet) init(c *UnixConn) {
	o.c = c
	o.gate.deadline = c.uc.SetWriteDeadline
	o.turn, o.over = make(chan struct{}, 1), make(chan struct{})
	o.try = o.tryWrite
}

func (o *unixOutlet) send(ctx context.Context, p chanio.UnixPacket) error {
	if err := o.judge(&p); err != nil {
		return err
	}
	if err := o.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-o.turn }()
	return o.deliver(ctx, &p)
}

// takeTurn waits for the sender before.
func (o *unixOutlet) takeTurn(ctx context.Context) error {
	select {
	case o.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case o.turn <- struct{}{}:
		return nil
	case <-o.over:
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *unixOutlet) trySend(p chanio.UnixPacket) (bool, error) {
	if err := o.judge(&p); err != nil {
		return false, err
	}
	select {
	case o.turn <- struct{}{}:
	default:
		return false, nil
	}
	defer func() { <-o.turn }()
	err := o.gate.enter(context.Background())
	if err == nil {
		err = o.write(&p, false)
	}
	if err == errFull {
		return false, nil
	}
	return err == nil, o.explain(&p, err)
}

// judge refuses what has no way.
func (o *unixOutlet) judge(p *chanio.UnixPacket) (err error) {
	select {
	case <-o.over:
		return o.err
	default:
	}
	switch {
	case o.c.peer == "" && p.Addr == "":
		err = errUnnamed
	case o.c.peer != "" && p.Addr != "" && p.Addr != o.c.peer:
		err = errOtherName
	case isAbstract(p.Addr) && !parks:
		err = errNoAbstract
	case len(p.Addr) > unixfile.MaxPath:
		err = errLongName
	default:
		return nil
	}
	return o.c.opError("send", p.Addr, err)
}

const (
	firstUnixPause = 100 * time.Microsecond // before the next attempt at a full queue
	lastUnixPause  = 20 * time.Millisecond
)

// deliver sends p, and waits for room in the receiver's queue. The kernel tells when there is some only if the socket
// is connected; otherwise it is asked again and again.
func (o *unixOutlet) deliver(ctx context.Context, p *chanio.UnixPacket) error {
	for pause := firstUnixPause; ; pause = min(2*pause, lastUnixPause) {
		if err := o.gate.enter(ctx); err != nil {
			return err
		}
		switch err := o.write(p, parks && o.c.peer != ""); {
		case err == nil:
			return nil
		case err != errFull:
			if err = o.gate.judge(ctx, err); err != nil {
				return o.explain(p, err)
			}
			continue
		}
		select {
		case <-time.After(pause):
		case <-o.over:
			return o.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// write sends p once, or, if wait is true, once there is room.
func (o *unixOutlet) write(p *chanio.UnixPacket, wait bool) error {
	o.p, o.wait, o.result = p, wait, nil
	err := o.c.raw.Write(o.try)
	o.p = nil
	if err == nil {
		err = o.result
	}
	if err == nil {
		o.c.counts.wrote(1, len(p.Data))
	}
	return err
}

// tryWrite reports whether there is something to report; otherwise it is called again when there may be.
func (o *unixOutlet) tryWrite(fd uintptr) bool {
	err := o.sendto(fd)
	if o.c.peer != "" && isGone(err) {
		// The peer may have been started anew at its address.
		if err = o.c.connectFD(fd); err == nil {
			err = o.sendto(fd)
		}
	}
	switch {
	case err == syscall.EAGAIN && o.wait:
		return false
	case err == syscall.EAGAIN || err == syscall.ENOBUFS:
		o.result = errFull
	default:
		o.result = err
	}
	return true
}

func (o *unixOutlet) sendto(fd uintptr) error {
	var to syscall.Sockaddr
	if o.c.peer == "" {
		to = &syscall.SockaddrUnix{Name: o.p.Addr}
	}
	for {
		if err := syscall.Sendto(int(fd), o.p.Data, 0, to); err != syscall.EINTR {
			return err
		}
	}
}

// isGone reports whether err says that the peer of a connected socket is gone, now or since the last time.
func isGone(err error) bool {
	switch err {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOTCONN, syscall.EDESTADDRREQ:
		return true
	}
	return false
}

// explain says what to do about an error of the kernel. Others it returns as they are.
func (o *unixOutlet) explain(p *chanio.UnixPacket, err error) error {
	var errno syscall.Errno
	switch {
	case !errors.As(err, &errno):
		return err
	case errno == syscall.EMSGSIZE:
		err = &oversizeError{len(p.Data), o.limit(), "WriteBuffer raises it, up to what the system allows"}
	}
	err = o.c.opError("send", p.Addr, err)
	if hint := remoteHint(err); hint != "" {
		return fmt.Errorf("%w%s", err, hint)
	}
	return err
}

// limit is the largest payload that the socket's write buffer takes.
func (o *unixOutlet) limit() (limit int) {
	_ = control(o.c.raw, func(fd uintptr) (err error) {
		limit, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		return err
	})
	if runtime.GOOS == "linux" {
		limit -= 32 // which the kernel keeps for itself
	}
	return limit
}

// end has nothing sent any more, because of err.
func (o *unixOutlet) end(err error) {
	o.once.Do(func() {
		o.err = err
		close(o.over)
	})
	o.gate.close(err)
}

// flush has nothing to wait for: what was accepted is with the receiver.
func (o *unixOutlet) flush(context.Context) error {
	select {
	case <-o.over:
		return o.err
	default:
		return nil
	}
}

// close makes a sender that waits for room return. There is nothing to tell the peer with.
func (o *unixOutlet) close() error {
	o.end(net.ErrClosed)
	o.c.outEnded()
	return o.c.noHalfClose()
}

// abort ends both halves.
func (o *unixOutlet) abort(cause error) {
	o.end(cause)
	o.c.in.gate.close(cause)
	o.c.ended(true, true)
}

func (o *unixOutlet) describe() chanio.Description {
	return chanio.Description{Kind: "UnixPacketConn.Out", Name: o.c.local, Passed: o.c.counts.sent.Load()}
}
