package chanio

import (
	"context"

	"github.com/weir-go/weir/internal/stream"
)

// SourceHooks is what a [Source] is made of; see [NewSource]. Only Next is required.
//
// The functions are called by one goroutine at a time, except Close, Undelivered and Describe, which may run beside any
// of them. None is called with a lock of the Source held.
type SourceHooks[T any] struct {
	// Next returns the next value. It blocks until there is one, the stream ends, or ctx ends. When it returns
	// because ctx ended it has taken nothing, and returns [Cause] of ctx. It returns io.EOF after the last value and
	// any other error when the stream failed, and is not called again after either, unless [Resumable] says that the
	// error concerned this call alone.
	Next func(ctx context.Context) (T, error)

	// TryNext returns the next value if Next would return it without waiting. It issues no read, flushes nothing,
	// and leaves what is incomplete where it is. ok is false if there is no value now; err then says whether the stream
	// is known to have ended, with the errors of Next. It is called again and again while nothing is there, so that
	// answer must be cheap. A Source without TryNext is taken never to have a value at hand.
	TryNext func() (v T, ok bool, err error)

	// AtHand appends to dst values that TryNext would return and that no code of the user has to make, such as
	// queued values or those of a decoder, at most as many as dst has room for, and returns the extended slice. It
	// is how values cross to another goroutine or sink in batches. For as long as they may be unprocessed, which is
	// until the next call of a hook, the endpoint counts them as at hand.
	AtHand func(dst []T) []T

	// Close tells the producer that no more is wanted. A blocked Next returns soon after. It is called at most
	// once, also after a failure but not after a clean end, and does not wait for the peer.
	Close func() error

	// Undelivered takes over a value that nobody will receive: one that waited for a receiver, or was put back, when
	// the Source was closed, or one that a stage drops. It is for values that somebody must close, such as accepted
	// connections, and it does not block. A Source with it has channels without capacity. A stage whose values are
	// those of its upstream has [Upstream.Drop] here.
	Undelivered func(v T)

	// KeepUntaken says that a value which was waiting for a receiver when the ctx of its channel ended is kept for the next
	// receiver, and handed to Undelivered only when the Source is closed. It is for stages: what follows that value may
	// already be with them.
	KeepUntaken bool

	// Borrowed says that a value is valid only until the next call that may wait. C, and stages that hold values,
	// refuse such a Source.
	Borrowed bool

	// Bytes, for a Source of []byte only, is the same stream without its chunks: the route of codecs and of
	// [Transfer]. Values taken through either are gone from both.
	Bytes ByteSource

	// End is the end of the stream, set by the endpoint before Next returns the error of the end: nil for a clean end.
	// An error of Next while End is open concerns one call. Without End the Source keeps its own.
	End *End

	// Describe tells what the Source is and how it stands, for [Source.Describe]. It may be called by any goroutine
	// at any time.
	Describe func() Description
}

// SinkHooks is what a [Sink] is made of; see [NewSink]. Only Send is required.
//
// All of them may be called by many goroutines at once. None is called with a lock of the Sink held.
type SinkHooks[T any] struct {
	// Send waits for room and accepts v. ctx bounds only the wait; when it ends first, nothing of v has been
	// accepted, and Send returns [Cause] of ctx. When Send returns, the endpoint refers to v no more.
	Send func(ctx context.Context, v T) error

	// TrySend accepts v if there is room now. Without it [Sink.TrySend] is Send with a context that has ended, which
	// an endpoint may refuse although it has room.
	TrySend func(v T) (bool, error)

	// SendAll accepts values in order and returns how many, all of them unless there is an error. Values of other
	// senders may come between. Without it [Sink.SendAll] is a loop of Send.
	SendAll func(ctx context.Context, vs []T) (int, error)

	// Flush returns when all that was accepted before has left the process.
	Flush func(ctx context.Context) error

	// Close drains what was accepted, then ends the stream. It is called once and not after Abort.
	Close func() error

	// Abort discards what was accepted and unblocks every other call. It may be called again, and during Close.
	Abort func(cause error)

	// Cork allows the endpoint to hold accepted values back for a moment because more will follow; uncork takes that
	// back and sends what was held, without blocking. Calls nest, and an uncork too many does no harm.
	Cork func() (uncork func())

	// End is the end of the stream, shared with the endpoint, or with the sink that this one leads to
	// ([Sink.End]). Without it the Sink keeps its own.
	End *End

	// Bytes, for a Sink of []byte only, is the route of codecs.
	Bytes ByteSink

	// Describe tells what the Sink is and how it stands, for [Sink.Describe].
	Describe func() Description
}

// End is how one half of a stream ends: it is open, perhaps closing, then ended, once and with one error. An endpoint
// sets it, and every Source or Sink above shares it. The zero End is open and ready for use:
//
//	Done() <-chan struct{}                                   // closed when the half is open no more
//	Err() error                                              // why it ended: nil while it has not, and after a clean end
//	OnDone(f func()) (stop func() bool)                      // f runs in its own goroutine after Done
//	BeforeClose(f func(context.Context) error) (stop func()) // f passes on what it holds before a flush or close
//	Settle(ctx context.Context) error                        // calls those functions
//	BeginClose(why error) bool                               // nothing more is accepted; reports whether it was open
//	Set(err error) bool                                      // the half ends; the first end counts
//	Lingering() (ctx context.Context, stop func())           // ends when closing makes no progress
//
// Its fields Linger, Progress, Released and Logger are set before it is shared.
type End = stream.End

// DefaultLinger is how long a close waits for a peer that takes nothing.
const DefaultLinger = stream.DefaultLinger

// ByteSource is a window on a stream of bytes, for one goroutine at a time:
//
//	Buffered() []byte                                  // what has arrived and was not discarded
//	Fill(ctx context.Context, n int) error             // waits until Buffered has at least one more byte
//	Discard(n int)                                     // drops the first n of the buffered bytes
//	Read(ctx context.Context, p []byte) (int, error)   // moves bytes into p: what is buffered, then what arrives
//	Clone(p []byte) []byte                             // a copy that the caller owns
//
// The buffered bytes belong to the source and stay unchanged, discarded or not, until the next Fill or Read. The n of
// Fill is how many the caller could use in all: it is a hint, because of which nothing is allocated before bytes arrive.
// What Read moves need not pass through the buffer. At the end of the stream Fill and Read return io.EOF, Fill also while
// Buffered still has bytes. When ctx or a deadline ended the call, nothing has changed, except that what Fill found at that
// moment is buffered. Small copies of Clone share memory that is never used again.
type ByteSource = stream.ByteSource

// ByteSink takes a stream of bytes, whole values at a time, from any goroutine at any time:
//
//	Begin() []byte                                              // lends scratch to append to; locks nothing
//	End(ctx context.Context, scratch, body []byte) error        // waits for room and accepts scratch, then body
//	TryEnd(scratch, body []byte) (bool, error)                  // accepts them if there is room now
//
// The bytes of one End are never mixed with those of another. Begin does not wait, so the caller may run any code before
// it hands the scratch back; scratch that is not handed back does no harm. scratch may be nil. body is written without
// being copied where possible. On return from End, whatever the result, the scratch belongs to the sink again, and body to
// the caller; if ctx ended before there was room, nothing has been accepted. If TryEnd finds no room the scratch stays with
// the caller, who may try again.
type ByteSink = stream.ByteSink

// RawSource is an optional interface of a [ByteSource] that reads a descriptor, for code that moves bytes without
// bringing them into the process:
//
//	ReadRaw(ctx context.Context, read RawFunc) (n int, err error)
//
// ReadRaw calls read when the descriptor may have bytes, and again for as long as read asks for that; n of read is how many
// bytes it took from the stream. An error of read that is not io.EOF ends the stream; io.EOF is its clean end. A panic in
// read ends the stream and goes on. ReadRaw returns errors.ErrUnsupported, having done nothing, if there is no descriptor
// or bytes are buffered, which come first.
type RawSource = stream.RawSource

// RawSink is an optional interface of a [ByteSink] that writes a descriptor: a way to own the writer for one raw write,
// such as sendfile or splice:
//
//	WriteRaw(ctx context.Context, write RawFunc) (n int, err error)
//
// WriteRaw waits until everything accepted before has been written, keeps other senders out, and calls write, again when
// the descriptor takes more for as long as write asks for that; n of write is how many bytes went to the stream. An error
// of write ends the stream; a panic in it does too and goes on. WriteRaw returns errors.ErrUnsupported, having done
// nothing, if there is no descriptor.
type RawSink = stream.RawSink

// RawFunc performs one system call on a descriptor that does not block. It returns how many bytes were moved, whether it
// is to be called again once the descriptor is ready (the call would have blocked), and the error.
type RawFunc = stream.RawFunc
