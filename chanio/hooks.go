package chanio

import (
	"context"

	"github.com/weir-go/weir/internal/stream"
)

// SourceHooks defines a [Source]; see [NewSource]. Only Next is required.
//
// The functions are called by one goroutine at a time, except Close, Undelivered and Describe, which may run
// concurrently with any of them. None is called with a lock of the Source held.
type SourceHooks[T any] struct {
	// Next returns the next value. It blocks until there is one, the stream ends, or ctx ends. If it returns because
	// ctx ended, it has consumed nothing and returns [Cause] of ctx. It returns io.EOF after the last value and another
	// error if the stream failed. It is not called again after either, unless [Resumable] reports that the error
	// concerned only this call.
	Next func(ctx context.Context) (T, error)

	// TryNext returns the next value if Next would return it without waiting. It issues no read, flushes nothing, and
	// leaves an incomplete value in place. If there is no value now, ok is false and err is nil, or the error that Next
	// would return if the stream is known to have ended. It is polled, so reporting that there is nothing must be
	// cheap. A Source without TryNext never has a value at hand.
	TryNext func() (v T, ok bool, err error)

	// AtHand appends to dst values that TryNext would return without running user code, such as queued values or those
	// of a built-in decoder, at most as many as dst has room for, and returns the extended slice. It moves values to
	// another goroutine or sink in batches. Until the next call of a hook, these values may be unprocessed, so the
	// endpoint counts them as at hand.
	AtHand func(dst []T) []T

	// Lend is AtHand for a consumer that is done with the values before it calls another hook, and keeps none of them:
	// they may be in the endpoint's buffer. Unlend gives vs, the last of them, back unused; they are returned again, and
	// then belong to the receiver. A Source has both hooks or neither. pipeline.Connect uses them for a Sink that
	// Consumes.
	Lend   func(dst []T) []T
	Unlend func(vs []T)

	// Await, which only a Source with Lend may have, waits until Lend would return a value, and returns the errors of
	// Next. It consumes nothing. It may return nil earlier, or at the end of the stream: if Lend still returns no value,
	// Next is called.
	Await func(ctx context.Context) error

	// Close tells the producer that no more values are wanted. A blocked Next returns soon after. Close is called at
	// most once, also after a failure but not after a clean end, and does not wait for the peer.
	Close func() error

	// Undelivered disposes of a value that will not be received: one that waited for a receiver or was put back when the
	// Source was closed, or one that a stage drops. It is for values that must be closed, such as accepted connections,
	// and must not block. Channels of a Source with this hook have no capacity. A stage whose values are those of its
	// upstream sets it to [Upstream.Drop].
	Undelivered func(v T)

	// KeepUntaken makes the Source keep a value that was waiting for a receiver when the ctx of its channel ended for
	// the next receiver, and pass it to Undelivered only when the Source is closed. It is for stages, which may already
	// hold what follows that value.
	KeepUntaken bool

	// Borrowed declares that a value is valid only until the next call that may wait. C, and stages that hold values,
	// reject such a Source.
	Borrowed bool

	// Bytes, for a Source of []byte only, is the same stream without chunk boundaries, used by codecs and [Transfer].
	// Values taken through one are gone from the other.
	Bytes ByteSource

	// End is the end of the stream. The endpoint sets it before Next returns the final error; nil means a clean end. An
	// error of Next while End is open concerns only that call. Without End the Source keeps its own.
	End *End

	// Describe describes the Source and its state, for [Source.Describe]. It may be called by any goroutine at any
	// time.
	Describe func() Description
}

// SinkHooks defines a [Sink]; see [NewSink]. Only Send is required.
//
// The functions may be called concurrently. None is called with a lock of the Sink held.
type SinkHooks[T any] struct {
	// Send waits for room and accepts v. ctx bounds only the wait; if it ends first, no part of v has been accepted and
	// Send returns [Cause] of ctx. When Send returns, the endpoint must no longer refer to v.
	Send func(ctx context.Context, v T) error

	// TrySend accepts v if there is room now. Without it [Sink.TrySend] calls Send with a context that has ended, which
	// an endpoint may reject even if it has room.
	TrySend func(v T) (bool, error)

	// SendAll accepts values in order and returns how many, all of them unless there is an error. Values of other
	// senders may come between. If it panics, none of vs counts as accepted: pipeline.Connect puts all of them back. So
	// it should call functions of a user, which may panic, before it accepts the first value. Without SendAll,
	// [Sink.SendAll] loops over Send.
	SendAll func(ctx context.Context, vs []T) (int, error)

	// Consumes declares that Send and SendAll use up values before they return, as an encoder does, and pass nothing on
	// that a value refers to. Borrowed values may be sent to such a Sink.
	Consumes bool

	// Flush waits until everything accepted before has left the process.
	Flush func(ctx context.Context) error

	// Close drains what was accepted and then ends the stream. It is called once, and not after Abort.
	Close func() error

	// Abort discards what was accepted and unblocks every other call. It may be called again, and during Close.
	Abort func(cause error)

	// Cork allows the endpoint to hold accepted values back briefly because more will follow. uncork ends that and
	// sends what was held back, without blocking. Calls nest, and a surplus uncork is harmless.
	Cork func() (uncork func())

	// End is the end of the stream, shared with the endpoint, or with the sink that this one leads to ([Sink.End]).
	// Without it the Sink keeps its own.
	End *End

	// Bytes, for a Sink of []byte only, is the route used by codecs.
	Bytes ByteSink

	// Describe describes the Sink and its state, for [Sink.Describe].
	Describe func() Description
}

// End is the state of one half of a stream: open, perhaps closing, then ended, once and with one error. An endpoint
// sets it, and every Source or Sink above shares it. The zero End is open and ready for use:
//
//	Done() <-chan struct{}                                   // closed when the half is no longer open
//	Err() error                                              // why it ended: nil until then, and after a clean end
//	OnDone(f func()) (stop func() bool)                      // f runs in its own goroutine after Done
//	BeforeClose(f func(context.Context) error) (stop func()) // f passes on what it holds before a flush or close, and calls neither
//	Settle(ctx context.Context) error                        // calls those functions
//	BeginClose(why error) bool                               // nothing more is accepted; reports whether it was open
//	Set(err error) bool                                      // ends the half; the first end counts
//	Lingering() (ctx context.Context, stop func())           // ends when closing makes no progress
//
// Its fields Linger, Progress, Released and Logger must be set before it is shared.
type End = stream.End

// DefaultLinger is how long a close waits for a peer that reads nothing, 5 s.
const DefaultLinger = stream.DefaultLinger

// ByteSource is a window on a stream of bytes, for one goroutine at a time:
//
//	Buffered() []byte                                  // what has arrived and was not discarded
//	Fill(ctx context.Context, n int) error             // waits until Buffered has at least one more byte
//	Discard(n int)                                     // drops the first n of the buffered bytes
//	Read(ctx context.Context, p []byte) (int, error)   // moves bytes into p: what is buffered, then what arrives
//	Clone(p []byte) []byte                             // a copy that the caller owns
//
// The buffered bytes belong to the source and stay unchanged, even if discarded, until the next Fill or Read. The n of
// Fill is a hint: how many bytes in all the caller could use. Nothing is allocated for it before bytes arrive. Read may
// bypass the buffer. At the end of the stream Fill and Read return io.EOF; Fill does so even while Buffered still has
// bytes. If ctx or a deadline ended the call, nothing has changed, except that bytes which Fill found at that moment
// are buffered. Small results of Clone share memory that is never reused.
type ByteSource = stream.ByteSource

// ByteSink accepts a stream of bytes, one whole value at a time, from any goroutine at any time:
//
//	Begin() []byte                                              // lends scratch to append to; locks nothing
//	End(ctx context.Context, scratch, body []byte) error        // waits for room and accepts scratch, then body
//	TryEnd(scratch, body []byte) (bool, error)                  // accepts them if there is room now
//
// The bytes of one End are never interleaved with those of another. Begin does not block, and the caller may run any
// code before it passes the scratch to End; scratch that is never passed on does no harm. scratch may be nil. body is
// written without a copy where possible. When End returns, with or without an error, the scratch belongs to the sink
// and body to the caller. If ctx ended before there was room, End has accepted nothing. If TryEnd finds no room, the
// caller keeps the scratch and may try again; TryEnd(scratch[:0], nil) returns scratch that is not needed.
type ByteSink = stream.ByteSink

// TryFiller is an optional interface of a [ByteSource] whose Buffered leaves out bytes that are at hand, such as the next
// chunk of a queue:
//
//	TryFill() (ok bool, err error)
//
// TryFill is Fill if that needs no wait and no read. Otherwise ok is false, and err is nil or, if the stream is known to
// have ended, the error that Fill would return.
type TryFiller = stream.TryFiller

// RawSource is an optional interface of a [ByteSource] that reads from a descriptor, for code that moves bytes without
// bringing them into the process:
//
//	ReadRaw(ctx context.Context, read RawFunc) (n int, err error)
//
// ReadRaw calls read when the descriptor may have bytes, and again for as long as read asks for it. The n of read is
// the number of bytes taken from the stream. An error of read other than io.EOF ends the stream; io.EOF is its clean
// end. A panic in read ends the stream and propagates. ReadRaw does nothing and returns errors.ErrUnsupported if there
// is no descriptor or if bytes are buffered, which come first.
type RawSource = stream.RawSource

// RawSink is an optional interface of a [ByteSink] that writes to a descriptor. It gives exclusive use of the writer
// for one raw write, such as sendfile or splice:
//
//	WriteRaw(ctx context.Context, write RawFunc) (n int, err error)
//
// WriteRaw waits until everything accepted before has been written, keeps other senders out, and calls write, again
// each time the descriptor becomes writable for as long as write asks for it. The n of write is the number of bytes
// written to the stream. An error of write ends the stream; so does a panic, which propagates. Without a descriptor
// WriteRaw does nothing and returns errors.ErrUnsupported.
type RawSink = stream.RawSink

// RawFunc performs one system call on a non-blocking descriptor. It returns the number of bytes moved, whether it must
// be called again once the descriptor is ready (the call would have blocked), and the error.
type RawFunc = stream.RawFunc
