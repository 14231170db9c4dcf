//go:build unix && !aix && !solaris

package datagram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/unixfile"
)

// unixOutlet is the sending half of a UnixConn. One sender at a time passes its datagram to the kernel, which puts it
// into the receiver's queue. While the queue is full, that sender waits. Where the kernel tells when there is room, as for
// a socket with one peer on Linux, the others wait for it; otherwise they send meanwhile.
type unixOutlet struct {
	c        *UnixConn
	turn     chan struct{}     // holds a value while a sender has the turn
	deadline deadline.Deadline // for the sender whose turn it is

	// Of the call in progress.
	try    func(fd uintptr) bool // tryWrite, made once
	p      *chanio.UnixPacket
	wait   bool
	result error
}

// tellsRoom means that the kernel reports when the peer of a connected socket has room again.
const tellsRoom = runtime.GOOS == "linux"

// init returns the Sink of the outlet.
func (o *unixOutlet) init(c *UnixConn) *chanio.Sink[chanio.UnixPacket] {
	o.c, o.turn, o.try = c, make(chan struct{}, 1), o.tryWrite
	o.deadline.Init(deadline.Func(c.uc.SetWriteDeadline))
	return chanio.NewSink(chanio.SinkHooks[chanio.UnixPacket]{
		Send: o.send, TrySend: o.trySend, Close: o.close, Abort: o.abort, End: &c.outEnd, Describe: c.describeOut,
	})
}

func (o *unixOutlet) send(ctx context.Context, p chanio.UnixPacket) error {
	if err := o.check(&p); err != nil {
		return err
	}
	err := o.writeInTurn(ctx, &p)
	if err == errFull {
		err = o.awaitRoom(ctx, &p)
	}
	return o.explain(&p, err)
}

// writeInTurn sends p when the sender has the turn. errFull means that there is no room, and that the kernel does not
// tell when there is.
func (o *unixOutlet) writeInTurn(ctx context.Context, p *chanio.UnixPacket) error {
	select {
	case o.turn <- struct{}{}:
	default:
		if err := o.awaitTurn(ctx); err != nil {
			return err
		}
	}
	defer o.endTurn()
	err := o.write(p, false)
	if err == errFull && tellsRoom && o.c.peer != "" {
		err = o.writeWaiting(ctx, p)
	}
	return err
}

// awaitTurn waits for earlier senders.
func (o *unixOutlet) awaitTurn(ctx context.Context) error {
	select {
	case o.turn <- struct{}{}:
		return nil
	case <-o.c.outEnd.Done():
		return refusal(&o.c.outEnd)
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

func (o *unixOutlet) endTurn() { <-o.turn }

func (o *unixOutlet) trySend(p chanio.UnixPacket) (bool, error) {
	if err := o.check(&p); err != nil {
		return false, err
	}
	select {
	case o.turn <- struct{}{}:
	default:
		return false, nil
	}
	defer o.endTurn()
	err := o.write(&p, false)
	if err == errFull {
		return false, nil
	}
	return err == nil, o.explain(&p, err)
}

// check rejects a packet that cannot be sent.
func (o *unixOutlet) check(p *chanio.UnixPacket) (err error) {
	switch {
	case o.c.peer == "" && p.Addr == "":
		err = errUnnamed
	case o.c.peer != "" && p.Addr != "" && p.Addr != o.c.peer:
		err = errOtherName
	case isAbstract(p.Addr) && runtime.GOOS != "linux":
		err = errNoAbstract
	case len(p.Addr) > unixfile.MaxPath:
		err = errLongName
	default:
		return nil
	}
	return o.c.sendError(p.Addr, err)
}

const (
	firstPause = 100 * time.Microsecond // before the next attempt at a full queue
	lastPause  = 20 * time.Millisecond
)

// awaitRoom sends p when there is room in the receiver's queue, for which it polls: the kernel reports room only for a
// connected socket.
func (o *unixOutlet) awaitRoom(ctx context.Context, p *chanio.UnixPacket) error {
	pause := time.NewTimer(firstPause)
	defer pause.Stop()
	for next := 2 * firstPause; ; next = min(2*next, lastPause) {
		select {
		case <-pause.C:
		case <-o.c.outEnd.Done():
			return refusal(&o.c.outEnd)
		case <-ctx.Done():
			return chanio.Cause(ctx)
		}
		if err := o.writeInTurn(ctx, p); err != errFull {
			return err
		}
		pause.Reset(next)
	}
}

// writeWaiting sends p once there is room.
func (o *unixOutlet) writeWaiting(ctx context.Context, p *chanio.UnixPacket) error {
	if err := o.deadline.Enter(ctx, time.Time{}); err != nil {
		return err
	}
	defer o.deadline.Leave()
	for {
		err := o.deadline.Arm()
		if err == nil {
			if err = o.write(p, true); err == nil {
				return nil
			}
		}
		if err = o.deadline.Judge(ctx, err); err != nil {
			return err
		}
	}
}

// write sends a datagram. It tries once, or waits for room if wait is true; otherwise errFull means that there is none.
// Only the sender whose turn it is calls it.
func (o *unixOutlet) write(p *chanio.UnixPacket, wait bool) error {
	if !o.c.outEnd.Open() {
		return refusal(&o.c.outEnd)
	}
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

// tryWrite reports whether it has a result. Otherwise it is called again when the socket is writable.
func (o *unixOutlet) tryWrite(fd uintptr) bool {
	err := o.sendto(fd)
	if o.c.peer != "" && isGone(err) {
		// The peer may have been restarted at its address.
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

// isGone reports whether err means that the peer of a connected socket is gone, now or since the last call.
func isGone(err error) bool {
	switch err {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOTCONN, syscall.EDESTADDRREQ:
		return true
	}
	return false
}

// explain adds advice to an error of the kernel. It returns other errors unchanged.
func (o *unixOutlet) explain(p *chanio.UnixPacket, err error) error {
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case !o.c.outEnd.Open() && errors.Is(err, net.ErrClosed): // the socket was closed meanwhile
		return refusal(&o.c.outEnd)
	case !errors.As(err, &errno):
		return err
	case errno == syscall.EMSGSIZE:
		err = &oversizeError{len(p.Data), o.limit(), "WriteBuffer raises it, up to what the system allows"}
	}
	err = o.c.sendError(p.Addr, err)
	if hint := remoteHint(err); hint != "" {
		return fmt.Errorf("%w%s", err, hint)
	}
	return err
}

// limit returns the largest payload that the socket's write buffer accepts.
func (o *unixOutlet) limit() (limit int) {
	_ = control(o.c.raw, func(fd uintptr) (err error) {
		limit, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
		return err
	})
	if runtime.GOOS == "linux" {
		limit -= 32 // reserved by the kernel
	}
	return limit
}

// close unblocks senders that wait for room, after the Sink has started to refuse more. No message tells the peer about
// the end.
func (o *unixOutlet) close() error {
	o.c.outEnd.Set(nil)
	o.deadline.Close(net.ErrClosed)
	o.c.halfEnded()
	return o.c.noHalfClose()
}

// abort ends both halves, which closes the socket and unblocks senders. The Sink has set the end.
func (o *unixOutlet) abort(cause error) { o.c.in.end(cause) }
