package datagram

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// reader takes what has arrived at a socket. It is for one goroutine at a time.
type reader interface {
	// read takes at least one datagram, for which it waits if wait is true, and returns how many there are.
	read(wait bool) (n int, err error)

	// take returns the next of those that read took, and how many are left. The payload is the receiver's. cut says that
	// the datagram was larger than that.
	take() (p chanio.Packet, left int, cut bool)
}

// inlet is the receiving half of a Conn.
type inlet struct {
	c       *Conn
	gate    gate
	r       reader
	keepCut bool

	left   int   // read and not yet taken
	last   int   // reads since EndIn
	err    error // what comes after them
	onWait func()

	// atHand publishes that there are some left, so that what is sent meanwhile may wait.
	atHand atomic.Bool
}

func (in *inlet) init(c *Conn, r reader, cfg Config) {
	in.c, in.r, in.keepCut = c, r, cfg.KeepTruncated
	in.gate.uc = c.uc
}

func (in *inlet) next(ctx context.Context) (chanio.Packet, error) {
	for {
		if in.left == 0 {
			if err := in.fill(ctx); err != nil {
				return chanio.Packet{}, err
			}
		}
		p, left, cut := in.r.take()
		if left == 0 && in.atHand.Load() {
			in.atHand.Store(false)
		}
		in.left = left
		if !cut {
			return p, nil
		}
		in.c.counts.truncated.Add(1)
		if in.keepCut {
			return p, nil
		}
	}
}

func (in *inlet) setOnWait(f func()) bool {
	in.onWait = f
	return true
}

// fill reads once, after it has let go of everything held back.
func (in *inlet) fill(ctx context.Context) error {
	if in.err != nil {
		return in.err
	}
	in.c.out.letGo()
	if in.onWait != nil {
		in.onWait()
	}
	for {
		err := in.gate.enter(ctx)
		if err == nil {
			n, errRead := in.r.read(true)
			if n > 0 {
				in.got(n)
				return nil
			}
			if isReport(errRead) {
				in.c.out.reported(errRead)
				continue
			}
			err = in.gate.judge(ctx, errRead)
		}
		if err != nil {
			if in.readLast(err) {
				return nil
			}
			return in.fail(ctx, err)
		}
	}
}

func (in *inlet) got(n int) {
	if in.left = n; n > 1 {
		in.atHand.Store(true)
	}
}

// lastReads is how many reads may find something after EndIn: peers that do not stop would have it go on for ever.
const lastReads = 256

// readLast reads, without waiting, what had arrived when EndIn refused the caller with err.
func (in *inlet) readLast(err error) bool {
	if !in.gate.isShut(err) || !in.gate.lastCall() || in.last == lastReads {
		return false
	}
	in.last++
	n, _ := in.r.read(false)
	if n > 0 {
		in.got(n)
	}
	return n > 0
}

// fail keeps an error that is not the affair of one call.
func (in *inlet) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.As(err, new(*net.OpError)) {
		err = in.c.opError("read", netip.AddrPort{}, err)
	}
	in.err = err
	if !in.gate.isShut(err) {
		in.c.inEnded() // otherwise whoever shut it sees to the rest
	}
	return err
}

// close is Source.Close.
func (in *inlet) close() error {
	in.gate.close(net.ErrClosed)
	in.c.inEnded()
	return nil
}

func (in *inlet) describe() chanio.Description {
	return chanio.Description{Kind: "datagram.In", Name: in.c.local.String(), Passed: in.c.counts.received.Load()}
}

// isReport reports whether err is not of the call that returned it but of a datagram that was sent before: that nobody
// listens where it went, or that it did not get there, which a router or the peer's host said by ICMP.
func isReport(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
		syscall.ENETRESET, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EMSGSIZE:
		return true
	}
	return errno == errPortUnreachable
}

// validAddr judges where a packet is to go.
func (c *Conn) validAddr(to netip.AddrPort) error {
	switch {
	case c.peer.IsValid():
		if to.IsValid() && unmap(to) != c.peer {
			return errOtherPeer
		}
	case !to.IsValid():
		return errNoAddr
	case to.Port() == 0:
		return errNoPort
	case c.v4 && !to.Addr().Unmap().Is4():
		return errFamily
	}
	return nil
}
