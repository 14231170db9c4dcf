package chanio

import (
	"context"
	"sync"
	"sync/atomic"
)

// To returns a Sink whose values go to ch, anybody's channel. The Sink is the only sender from then on: its Close
// closes ch, after the last Send under way has left it. A value counts as accepted once it is in the channel, so Flush
// has nothing to wait for and Close does not wait for the receiver. A Send that waits for room while Close is called
// returns net.ErrClosed. Abort closes ch too, since nothing else would wake its receiver; a bare channel can neither
// take back what it holds nor say why it ended, so ask [Sink.Err].
//
// To starts no goroutine.
func To[T any](ch chan<- T) *Sink[T] {
	if ch == nil {
		panic("chanio: To: ch is nil")
	}
	c := &chanSink[T]{ch: ch, gone: make(chan struct{})}
	return NewSink(SinkHooks[T]{
		Send: c.send, TrySend: c.trySend, Close: c.close, Abort: c.abort, End: &c.end,
		Describe: func() Description { return Description{Kind: "chanio.To", Capacity: cap(ch), Queued: len(ch)} },
	})
}

// chanSink sends to a channel that it closes once its half is open no more and nobody is sending.
type chanSink[T any] struct {
	ch    chan<- T
	end   End
	users atomic.Int64 // twice the number of calls inside, plus 1 when nothing more is accepted
	shut  sync.Once
	gone  chan struct{} // closed when ch is
}

func (c *chanSink[T]) send(ctx context.Context, v T) error {
	defer c.leave()
	if !c.enter() {
		return refusal(&c.end)
	}
	select {
	case c.ch <- v:
		return nil
	default:
	}
	select {
	case c.ch <- v:
		return nil
	case <-c.end.Done():
		return refusal(&c.end)
	case <-ctx.Done():
		return Cause(ctx)
	}
}

func (c *chanSink[T]) trySend(v T) (bool, error) {
	defer c.leave()
	if !c.enter() {
		return false, refusal(&c.end)
	}
	select {
	case c.ch <- v:
		return true, nil
	default:
		return false, nil
	}
}

// enter reports whether the channel may be used until leave.
func (c *chanSink[T]) enter() bool { return c.users.Add(2)&1 == 0 }

// leave closes the channel if this was the last call inside after the end.
func (c *chanSink[T]) leave() {
	if c.users.Add(-2) == 1 {
		c.shut.Do(func() {
			close(c.ch)
			close(c.gone)
		})
	}
}

// stop lets nobody in any more. The End has woken those who wait for room.
func (c *chanSink[T]) stop() {
	defer c.leave()
	c.users.Add(2)
	c.users.Or(1)
}

func (c *chanSink[T]) abort(error) { c.stop() }

func (c *chanSink[T]) close() error {
	c.stop()
	<-c.gone
	return nil
}
