package chanio

import (
	"context"
	"io"
	"iter"
	"net"
	"sync/atomic"
)

// From returns a Source of the values received from ch. It ends cleanly when ch is closed and all its values have been
// received.
//
// Only a sender can close a channel, so stop, if given, tells the sender that no more values are wanted, for example a
// [context.CancelFunc] or the Stop of a ticker. It is called once, when the stream has ended in any way, by the
// goroutine that ended it, and must not block. From starts no goroutine. The receiver owns the values. Other receivers
// of ch get the values that this one does not.
func From[T any](ch <-chan T, stop ...func()) *Source[T] {
	if ch == nil {
		panic("chanio: From: ch is nil")
	}
	c := &chanSource[T]{ch: ch}
	stopped := new(atomic.Bool)
	c.over = func() {
		if !stopped.Swap(true) {
			for _, f := range stop {
				if f != nil {
					f()
				}
			}
		}
	}
	return NewSource(SourceHooks[T]{
		Next: c.next, TryNext: c.tryNext, AtHand: c.atHand, End: &c.end,
		Close: func() error {
			c.over()
			return nil
		},
		Describe: func() Description { return describeChan("chanio.From", ch) },
	})
}

// chanSource receives from a channel, until that is closed or its End is set.
type chanSource[T any] struct {
	ch   <-chan T
	end  End
	over func() // called when ch has been closed; may be nil
}

func (c *chanSource[T]) next(ctx context.Context) (v T, err error) {
	if ctx.Err() != nil {
		return v, Cause(ctx)
	}
	if v, ok, err := c.tryNext(); ok || err != nil {
		return v, err
	}
	select {
	case v, ok := <-c.ch:
		return c.got(v, ok)
	case <-c.end.Done():
		return v, endError(&c.end)
	case <-ctx.Done():
		return v, Cause(ctx)
	}
}

// got handles one receive from the channel.
func (c *chanSource[T]) got(v T, ok bool) (T, error) {
	if ok {
		return v, nil
	}
	if c.end.Open() && c.over != nil { // otherwise it was closed because of the end
		c.over()
	}
	c.end.Set(nil)
	return v, endError(&c.end)
}

func (c *chanSource[T]) tryNext() (v T, ok bool, err error) {
	if !c.end.Open() {
		return v, false, endError(&c.end)
	}
	select {
	case v, ok := <-c.ch:
		v, err := c.got(v, ok)
		return v, err == nil, err
	default:
		return v, false, nil
	}
}

// atHand appends what the channel holds. If the channel was closed meanwhile, the next call finds that.
func (c *chanSource[T]) atHand(dst []T) []T {
	for n := min(len(c.ch), cap(dst)-len(dst)); n > 0 && c.end.Open(); n-- {
		select {
		case v, ok := <-c.ch:
			if !ok {
				return dst
			}
			dst = append(dst, v)
		default: // another receiver was quicker
			return dst
		}
	}
	return dst
}

// describeChan describes an endpoint that is little more than a channel.
func describeChan[T any](kind string, ch <-chan T) Description {
	return Description{Kind: kind, Capacity: cap(ch), Queued: len(ch)}
}

// FromSlice returns a Source of values, in order. It reads the slice as values are received, so the slice must not
// change until the stream has ended. FromSlice starts no goroutine, and its Source never waits.
func FromSlice[T any](values []T) *Source[T] {
	s := &sliceSource[T]{values: values}
	return NewSource(SourceHooks[T]{
		Next: s.next, TryNext: s.tryNext, AtHand: s.atHand,
		Describe: func() Description { return Description{Kind: "chanio.FromSlice"} },
	})
}

// sliceSource yields the values of a slice.
type sliceSource[T any] struct{ values []T }

func (s *sliceSource[T]) next(ctx context.Context) (v T, err error) {
	if ctx.Err() != nil {
		return v, Cause(ctx)
	}
	v, _, err = s.tryNext()
	return v, err
}

func (s *sliceSource[T]) tryNext() (v T, ok bool, err error) {
	if len(s.values) == 0 {
		return v, false, io.EOF
	}
	v, s.values = s.values[0], s.values[1:]
	return v, true, nil
}

func (s *sliceSource[T]) atHand(dst []T) []T {
	n := min(len(s.values), cap(dst)-len(dst))
	dst = append(dst, s.values[:n]...)
	s.values = s.values[n:]
	return dst
}

// FromSeq returns a Source of the values of seq. seq runs as a coroutine of the receiver, only as far as the requested
// value, and starts with the first receive. If the Source ends before seq does, the yield function of seq returns
// false, at once if seq is not running.
//
// FromSeq cannot interrupt seq: ctx and Close take effect between two values. A seq that has started and is neither
// received to its end nor closed stays in memory with its coroutine.
func FromSeq[T any](seq iter.Seq[T]) *Source[T] {
	if seq == nil {
		panic("chanio: FromSeq: seq is nil")
	}
	s := &seqSource[T]{seq: seq}
	return NewSource(SourceHooks[T]{
		Next: s.next, Close: s.close,
		Describe: func() Description { return Description{Kind: "chanio.FromSeq"} },
	})
}

// seqSource pulls from an iterator. Only one goroutine at a time may pull or stop it, so a close that finds it running
// leaves the stopping to that goroutine.
type seqSource[T any] struct {
	seq   iter.Seq[T]
	pull  func() (T, bool)
	stop  func()
	state atomic.Int32 // seqIdle, seqRunning or seqOver
}

const (
	seqIdle = iota
	seqRunning
	seqOver
)

func (s *seqSource[T]) next(ctx context.Context) (v T, err error) {
	if ctx.Err() != nil {
		return v, Cause(ctx)
	}
	if !s.state.CompareAndSwap(seqIdle, seqRunning) {
		return v, net.ErrClosed
	}
	if s.pull == nil {
		s.pull, s.stop = iter.Pull(s.seq)
	}
	v, ok := s.pull()
	if !s.state.CompareAndSwap(seqRunning, seqIdle) {
		s.stop()
		var none T
		return none, net.ErrClosed
	}
	if !ok {
		return v, io.EOF
	}
	return v, nil
}

func (s *seqSource[T]) close() error {
	if s.state.Swap(seqOver) == seqIdle && s.stop != nil {
		s.stop()
	}
	return nil
}
