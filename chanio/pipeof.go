package chanio

import (
	"fmt"
	"net"
)

// PipeOf returns a Source and a Sink that are connected in memory: what is sent to the one is received from the other,
// in order. Up to capacity values lie between them; with a capacity of 0 a Send returns when its value has been taken.
// Senders that wait are served in the order in which they came.
//
// The two halves have one end. Closing the Sink lets the Source yield what was accepted, then io.EOF; it does not wait
// for that. Abort discards what was accepted, and the Source fails with its cause. Closing the Source ends the Sink at
// once, also when nobody is sending: its Done is closed, its Err and what Send returns are net.ErrClosed. PipeOf
// starts no goroutine and may be used in a testing/synctest bubble.
func PipeOf[T any](capacity int) (*Source[T], *Sink[T]) {
	if capacity < 0 {
		panic(fmt.Sprintf("chanio: PipeOf: capacity must be at least 0, got %d", capacity))
	}
	ch := make(chan T, capacity)
	from, to := &chanSource[T]{ch: ch}, &chanSink[T]{ch: ch, gone: make(chan struct{})}
	describe := func() Description { return describeChan("chanio.PipeOf", ch) }
	sink := NewSink(SinkHooks[T]{
		Send: to.send, TrySend: to.trySend, Close: to.close, Describe: describe, End: &to.end,
		Abort: func(cause error) {
			from.end.Set(cause) // first, so that the receiver does not take a closed channel for a clean end
			to.stop()
		},
	})
	return NewSource(SourceHooks[T]{
		Next: from.next, TryNext: from.tryNext, AtHand: from.atHand, Describe: describe, End: &from.end,
		Close: func() error {
			sink.Abort(net.ErrClosed)
			return nil
		},
	}), sink
}
