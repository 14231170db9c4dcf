package chanio

import (
	"fmt"
	"net"

	"github.com/weir-go/weir/internal/memconn"
)

// Pipe returns two connected in-memory Conns: each receives what the other sends. Each direction buffers up to 64 KiB
// beyond the SendBuffer of its Conn. The Conns behave like a TCP connection, including half-close and abort, need no
// cleanup except Close, and work in a testing/synctest bubble.
func Pipe() (*Conn, *Conn) {
	a, b := memconn.Pipe(0)
	return NewConn(a, nil), NewConn(b, nil)
}

// PipeOf returns a Source and a Sink connected in memory: the Source yields, in order, what is sent to the Sink. Up to
// capacity values are buffered; with a capacity of 0, Send returns when its value has been received. Blocked senders
// are served in order.
//
// Both halves share one end. After Close of the Sink, which does not wait, the Source yields the accepted values and
// then io.EOF. Abort discards the accepted values, and the Source fails with its cause. Close of the Source ends the
// Sink at once, even with no send pending: its Done is closed, and its Err and Send return net.ErrClosed. PipeOf starts
// no goroutine and works in a testing/synctest bubble.
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
