package chanio

import (
	"context"
	"sync"
	"sync/atomic"
)

// To returns a Sink that sends to ch. The Sink must be the only sender from then on: its Close closes ch once the last
// Send in progress has returned. A value counts as accepted once it is in the channel, so Flush returns at once and
// Close does not wait for the receiver. A Send that waits for room when Close is called returns net.ErrClosed. Abort
// also closes ch, because nothing else would wake its receiver. A channel can neither take back its values nor report
// an error, so receivers should check [Sink.Err].
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

// chanSink sends to a channel, and closes it once the half is no longer open and no Send is running.
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

// stop keeps out further senders. The End has woken those that wait for room.
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
