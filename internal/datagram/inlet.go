package datagram

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
)

// reader takes what has arrived at a socket. It is for one goroutine at a time. P is a packet.
type reader[P any] interface {
	// read takes what has arrived, and waits for something if wait is true. It returns the first of it, which may be
	// nothing, and which is valid until the next call. The payloads are the receiver's.
	read(wait bool) (first []P, err error)

	// rest returns more of what read took, or nothing if that was all. It does not read.
	rest() []P
}

// holder is the socket that an inlet is a half of.
type holder interface {
	// letGo sends what is held back, because a receiver is about to wait.
	letGo()

	// reported notes an error that a read met and that concerns a datagram sent before.
	reported(err error)

	// inEnded notes that the half has ended.
	inEnded()

	// readError says which call failed.
	readError(err error) error

	describeIn() chanio.Description
}

// inlet is the receiving half of a socket.
type inlet[P any] struct {
	h    holder
	gate gate
	r    reader[P]

	ready  []P // taken by r and not yet received, from i on
	i      int
	last   int   // reads since endIn
	err    error // what comes after what is ready
	onWait func()

	// atHand publishes that there is something ready, so that what is sent meanwhile may wait.
	atHand atomic.Bool

	waits atomic.Uint64 // how often a receiver was about to wait
}

func (in *inlet[P]) init(h holder, r reader[P], deadline func(time.Time) error) {
	in.h, in.r = h, r
	in.gate.deadline = deadline
}

// source returns the Source that the inlet is made for.
func (in *inlet[P]) source() *chanio.Source[P] {
	return chanio.NewSource(chanio.SourceHooks[P]{
		Next: in.next(), Close: in.close, Describe: in.h.describeIn,
	})
}

// next returns the hook of that name: as a function of its own it is a call shorter than the method.
func (in *inlet[P]) next() func(ctx context.Context) (P, error) {
	return func(ctx context.Context) (p P, err error) {
		if in.i == len(in.ready) {
			if err = in.fill(ctx); err != nil {
				return p, err
			}
		}
		p = in.ready[in.i]
		if in.i++; in.i == len(in.ready) {
			in.ready, in.i = in.r.rest(), 0
			in.publish(len(in.ready) > 0)
		}
		return p, nil
	}
}

func (in *inlet[P]) setOnWait(f func()) bool {
	in.onWait = f
	return true
}

// fill reads once, after it has let go of everything held back.
func (in *inlet[P]) fill(ctx context.Context) error {
	if in.err != nil {
		return in.err
	}
	in.waits.Add(1)
	in.h.letGo()
	if in.onWait != nil {
		in.onWait()
	}
	for in.i == len(in.ready) {
		if err := in.read(ctx); err != nil && !in.readLast(err) {
			return in.fail(ctx, err)
		}
	}
	return nil
}

// read reads once. What it brings may be nobody's: a report of a datagram that was sent, or one that was dropped.
func (in *inlet[P]) read(ctx context.Context) error {
	if err := in.gate.enter(ctx); err != nil {
		return err
	}
	packets, err := in.r.read(true)
	in.got(packets)
	switch {
	case err == nil:
		return nil
	case isReport(err):
		in.h.reported(err)
		return nil
	}
	return in.gate.judge(ctx, err)
}

// got makes packets what is ready, of which the first is about to be received.
func (in *inlet[P]) got(packets []P) {
	in.ready, in.i = packets, 0
	in.publish(len(packets) > 1)
}

func (in *inlet[P]) publish(atHand bool) {
	if atHand != in.atHand.Load() {
		in.atHand.Store(atHand)
	}
}

// lastReads is how many reads may find something after endIn: peers that do not stop would have it go on for ever.
const lastReads = 256

// readLast reads, without waiting, what had arrived when endIn refused the caller with err.
func (in *inlet[P]) readLast(err error) bool {
	if !in.gate.isShut(err) || !in.gate.lastCall() || in.last == lastReads {
		return false
	}
	in.last++
	packets, _ := in.r.read(false)
	in.got(packets)
	return len(packets) > 0
}

// fail keeps an error that is not the affair of one call.
func (in *inlet[P]) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.As(err, new(*net.OpError)) {
		err = in.h.readError(err)
	}
	in.err = err
	if !in.gate.isShut(err) {
		in.h.inEnded() // otherwise whoever shut it sees to the rest
	}
	return err
}

// close is Source.Close.
func (in *inlet[P]) close() error {
	in.gate.close(net.ErrClosed)
	in.h.inEnded()
	return nil
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
