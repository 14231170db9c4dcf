package datagram

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// reader reads a socket. It is for one goroutine at a time. P is a packet.
type reader[P any] interface {
	// read takes what has arrived, and waits for something if wait is true; otherwise it returns errEmpty if there is
	// nothing. What it returns may be empty because what arrived was dropped. The slice is valid until the next call,
	// the payloads belong to the receiver.
	read(wait bool) ([]P, error)
}

// errEmpty says that nothing has arrived.
var errEmpty = errors.New("datagram: nothing has arrived")

// inlet is the receiving half of a socket. Its fields belong to the goroutine that receives, apart from deadline and
// draining.
type inlet[P any] struct {
	s        *ends[P]
	r        reader[P]
	deadline deadline.Deadline

	flushHeld func()          // sends what is held back, because a receiver is about to wait
	reported  func(err error) // notes an error that a read met and that concerns a datagram sent before
	ended     func()          // called, perhaps more than once, when the half has ended

	ready    []P // read and not yet received, from i on
	i        int
	last     int         // reads since Shutdown
	draining atomic.Bool // by Shutdown: what has arrived is still received
}

// init makes the Source of the inlet.
func (in *inlet[P]) init(s *ends[P], r reader[P], set func(time.Time) error) *chanio.Source[P] {
	in.s, in.r = s, r
	in.deadline.Init(deadline.Func(set))
	return chanio.NewSource(chanio.SourceHooks[P]{
		Next: in.next, TryNext: in.tryNext, AtHand: in.atHand, Close: in.close, End: &s.inEnd, Describe: s.describeIn,
	})
}

func (in *inlet[P]) next(ctx context.Context) (p P, err error) {
	if ctx.Err() != nil {
		return p, chanio.Cause(ctx)
	}
	if in.i == len(in.ready) {
		if err = in.fill(ctx); err != nil {
			return p, err
		}
	}
	return in.pop(), nil
}

func (in *inlet[P]) tryNext() (p P, ok bool, err error) {
	if in.i < len(in.ready) {
		return in.pop(), true, nil
	}
	in.s.rule.SetAtHand(false)
	return p, false, in.s.inEnd.Err()
}

// atHand appends what has been read. Until the next call of a hook that counts as at hand.
func (in *inlet[P]) atHand(dst []P) []P {
	n := len(dst)
	for len(dst) < cap(dst) && in.i < len(in.ready) {
		dst = append(dst, in.pop())
	}
	in.s.rule.SetAtHand(len(dst) > n)
	return dst
}

// pop returns the next packet of ready.
func (in *inlet[P]) pop() P {
	p := in.ready[in.i]
	in.i++
	in.s.rule.SetAtHand(in.i < len(in.ready))
	return p
}

// fill makes something ready, after everything held back has been sent.
func (in *inlet[P]) fill(ctx context.Context) error {
	in.s.rule.SetAtHand(false)
	in.s.rule.Received()
	in.flushHeld()
	err := in.wait(ctx)
	if err == nil || in.readLast() {
		return nil
	}
	return in.fail(ctx, err)
}

// wait reads until something is ready.
func (in *inlet[P]) wait(ctx context.Context) error {
	if err := in.deadline.Enter(ctx, time.Time{}); err != nil {
		return err
	}
	defer in.deadline.Leave()
	for in.i == len(in.ready) {
		err := in.deadline.Arm()
		if err == nil {
			err = in.read(true)
		}
		if err = in.deadline.Judge(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// read reads once. What that brings may be nothing to receive: the report of a datagram that was sent.
func (in *inlet[P]) read(wait bool) (err error) {
	in.i = 0
	if in.ready, err = in.r.read(wait); isReport(err) {
		in.reported(err)
		return nil
	}
	return err
}

const (
	// lastReads is how many reads follow a Shutdown: peers that do not stop would have it go on for ever.
	lastReads = 256

	// grace is how long they may take where a read cannot do without waiting.
	grace = 100 * time.Millisecond
)

// readLast makes ready what had arrived by the time of Shutdown, and reports whether there is something.
func (in *inlet[P]) readLast() bool {
	if !in.draining.Load() || in.s.inEnd.Ended() || in.deadline.Linger(time.Now().Add(grace)) != nil {
		return false
	}
	defer in.deadline.Leave()
	for ; in.i == len(in.ready) && in.last < lastReads; in.last++ {
		if in.deadline.Arm() != nil || in.read(false) != nil {
			return false
		}
	}
	return in.i < len(in.ready)
}

// fail ends the half with err, unless that concerns one call alone. The Source then calls close.
func (in *inlet[P]) fail(ctx context.Context, err error) error {
	if !in.s.inEnd.Ended() && chanio.Resumable(ctx, err) {
		return err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.As(err, new(*net.OpError)) {
		err = in.s.opError("read", nil, err)
	}
	in.s.inEnd.Set(err)
	return in.s.inEnd.Err()
}

// close is the hook of that name.
func (in *inlet[P]) close() error {
	in.end(net.ErrClosed)
	return nil
}

// end ends the half with err, unless it has ended, and makes a receiver that waits return.
func (in *inlet[P]) end(err error) {
	in.s.inEnd.Set(err)
	in.deadline.Close(err)
	in.deadline.Cut()
	in.ended()
}

// drain makes the half end with err once what has arrived has been received.
func (in *inlet[P]) drain(err error) {
	in.draining.Store(true)
	in.deadline.Close(err)
}

// isReport reports whether err is not of the call that returned it but of a datagram that was sent before: that nobody
// listens where it went, or that it did not get there, which a router or the peer's host said by ICMP.
func isReport(err error) bool {
	if err == nil {
		return false // before errno, which is allocated
	}
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
