package stream

import "context"

// ByteSource is a window on a stream of bytes. It is for one goroutine at a time.
type ByteSource interface {
	// Buffered returns the bytes that have arrived and were not discarded. They belong to the source and stay
	// unchanged, discarded or not, until the next Fill or Read.
	Buffered() []byte

	// Fill waits until Buffered has at least one more byte. n is how many the caller could use in all; it is a hint,
	// and nothing is allocated because of it before bytes arrive. At the end of the stream Fill returns io.EOF, also
	// while Buffered still has bytes. A Fill that returns because ctx or a deadline ended has changed nothing.
	Fill(ctx context.Context, n int) error

	// Discard drops the first n of the buffered bytes.
	Discard(n int)

	// Read moves bytes into p: what is buffered first, otherwise what arrives, which need not pass through the
	// buffer. It follows the rules of Fill.
	Read(ctx context.Context, p []byte) (int, error)

	// Clone returns a copy of p that the caller owns. Small copies share an arena of 4 KiB that is never reused.
	Clone(p []byte) []byte
}

// ByteSink takes a stream of bytes, whole values at a time. Its methods are for any goroutine at any time, and the
// bytes of one End are never mixed with those of another.
type ByteSink interface {
	// Begin lends scratch, a slice without elements to append to. It locks nothing and does not wait, so the caller
	// may run any code before it hands the scratch back with End or TryEnd. Scratch that is not handed back is lost
	// to the sink and does no harm.
	Begin() []byte

	// End waits for room and accepts what scratch holds, followed by body, which is written without being copied
	// where possible. scratch may be nil. On return, whatever the result, the scratch belongs to the sink again and the sink no longer
	// refers to body. If ctx ends before there is room, nothing has been accepted.
	End(ctx context.Context, scratch, body []byte) error

	// TryEnd is End for a caller that cannot wait: it reports whether there was room. If there was none, the scratch
	// stays with the caller, who may try again.
	TryEnd(scratch, body []byte) (bool, error)
}

// RawSource is an optional interface of a [ByteSource] that reads a descriptor, for code that moves bytes without
// bringing them into the process.
type RawSource interface {
	// ReadRaw calls read with the descriptor when it may have bytes, and again when it has more for as long as read
	// asks for that. read does not block; it returns how many bytes it took from the stream. An error of read that is
	// not io.EOF ends the stream; io.EOF is its clean end. A panic in read ends the stream and goes on. ReadRaw
	// returns errors.ErrUnsupported, having done nothing, if there is no descriptor, or if bytes are buffered,
	// which come first.
	ReadRaw(ctx context.Context, read RawFunc) (n int, err error)
}

// RawSink is an optional interface of a [ByteSink] that writes a descriptor: a way to own the writer for one raw write,
// such as sendfile or splice.
type RawSink interface {
	// WriteRaw waits until everything accepted before has been written, keeps other senders out, and calls write with
	// the descriptor, again when that takes more for as long as write asks for that. write does not block; it
	// returns how many bytes went to the stream. An error of write ends the stream; a panic in it does too and goes
	// on. WriteRaw returns errors.ErrUnsupported, having done nothing, if there is no descriptor.
	WriteRaw(ctx context.Context, write RawFunc) (n int, err error)
}

// RawFunc performs one system call on a descriptor that does not block. It returns how many bytes were moved, whether
// it is to be called again once the descriptor is ready (the call would have blocked), and the error.
type RawFunc func(fd uintptr) (n int, again bool, err error)
