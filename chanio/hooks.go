package chanio

import (
	"context"
	"time"
)

// SourceHooks is what a [Source] is made of; see [NewSource]. Only Next is required.
//
// The functions are called by one goroutine at a time, except Close, which may run beside any of them.
type SourceHooks[T any] struct {
	// Next returns the next value. It blocks until there is one, the stream ends, or ctx ends, and it keeps
	// guarantee G2: when it returns because ctx ended it has taken nothing. It returns io.EOF after the last
	// value and any other error when the stream failed; it is not called again after either.
	Next func(ctx context.Context) (T, error)

	// Close tells the producer that no more is wanted. A blocked Next returns soon after. It is called at most
	// once, and also after a failure; not after a clean end.
	Close func() error

	// OnWait stores f, which Next then calls in its own goroutine each time it is about to wait for the
	// producer; nil removes it. It is how readiness travels: a consumer that holds something back while values
	// are at hand lets go of it in f. f does not block. A Source without OnWait is taken to wait at every value.
	OnWait func(f func()) bool

	// Undelivered takes over a value that was waiting for a receiver when the Source or the ctx of its channel ended.
	// It is for values that somebody must close, such as accepted connections, and it does not block. A Source with
	// it has channels without capacity; one without it keeps the value for the next receiver.
	Undelivered func(v T)

	// Bytes, for a Source of []byte only, is the same stream without its chunks: the route of codecs and of
	// [Transfer]. Values taken through either are gone from both.
	Bytes ByteSource

	// Describe tells what the Source is and how it stands, for [Source.Describe]. Unlike the others it may be called
	// by any goroutine beside them.
	Describe func() Description
}

// SinkHooks is what a [Sink] is made of; see [NewSink]. Only Send is required.
//
// All of them may be called by many goroutines at once.
type SinkHooks[T any] struct {
	// Send waits for room and accepts v. ctx bounds only the wait; when it ends first, nothing of v has been
	// accepted (G2). When Send returns, the endpoint refers to v no more.
	Send func(ctx context.Context, v T) error

	// TrySend accepts v if there is room now. Without it [Sink.TrySend] is [Sink.Send] with a context that has
	// ended, which an endpoint may refuse although it has room.
	TrySend func(v T) (bool, error)

	// Flush returns when all that was accepted before has left the process.
	Flush func(ctx context.Context) error

	// Close drains what was accepted, then ends the stream. It is called once and not after Abort.
	Close func() error

	// Abort discards what was accepted and unblocks every other call. It may be called again, and during Close.
	Abort func(cause error)

	// Cork(true) allows the endpoint to hold accepted values back for a moment because more will follow;
	// Cork(false) takes that back and sends what was held, without blocking. Calls nest.
	Cork func(on bool)

	// Below is the sink that this one leads to. The new Sink then shares its end: Done and Err are Below's, and so are
	// Released and Linger if it is a Sink.
	Below Ender

	// Released returns a channel that is closed when the connection below has been released. Until then the
	// channel of [Sink.C] goes on receiving (and discarding), so that no bare send hangs. Nil: until the ctx of C
	// ends.
	Released func() <-chan struct{}

	// Linger is how long a close waits for a peer that takes nothing; 0 means DefaultLinger.
	Linger time.Duration

	// Bytes, for a Sink of []byte only, is the route of codecs: bytes are appended to the endpoint's own buffer.
	Bytes ByteSink

	// Describe tells what the Sink is and how it stands, for [Sink.Describe].
	Describe func() Description
}

// Ender is what a [Sink] says about its end.
type Ender interface {
	Done() <-chan struct{}
	Err() error
	OnDone(f func()) (stop func() bool)
}

// ByteSource is a window on a stream of bytes. It is for one goroutine at a time.
type ByteSource interface {
	// Buffered returns the bytes that have arrived and were not discarded. They belong to the source and stay where
	// they are, discarded or not, until the next Fill or Read.
	Buffered() []byte

	// Fill waits until there is at least one more byte in Buffered. n is how many the caller could use in all; it
	// is a hint and nothing is allocated by it alone. At the end of the stream Fill returns io.EOF, also when
	// Buffered still has bytes. A Fill that returns because ctx ended has changed nothing.
	Fill(ctx context.Context, n int) error

	// Discard drops the first n of the buffered bytes.
	Discard(n int)

	// Read moves bytes into p, without the buffer where it can: what is buffered first, otherwise what arrives.
	// It follows the rules of Fill.
	Read(ctx context.Context, p []byte) (int, error)

	// Clone returns a copy of p that the caller owns. Small copies share an arena of 4 KiB that is never reused.
	Clone(p []byte) []byte
}

// ByteSink is the buffer of a stream of bytes, to be appended to in place.
type ByteSink interface {
	// Begin waits for room and returns the buffer, to which the caller appends one whole value before it calls
	// End. Between the two no other goroutine can send, so the caller only appends: it does not block and does
	// not use the sink. If wait is false and there is no room, Begin returns false.
	Begin(ctx context.Context, wait bool) (dst []byte, ok bool, err error)

	// End accepts what was appended, followed by body, which is written without being copied where possible; the
	// sink refers to body no more when End returns. A nil dst accepts nothing: the value is withdrawn.
	End(ctx context.Context, dst, body []byte) error
}
