package http1

import (
	"bytes"
	"context"
	"io"

	"github.com/weir-go/weir/internal/stream"
)

// Body reads the body of one message, and no byte of the next one. A connection keeps one and resets it for every
// message. Like its source, one goroutine at a time may use it.
//
// Errors of the message are sticky: an [*Error], or io.ErrUnexpectedEOF if the stream ends within the body. Other
// errors of the source are returned as they are, and the call may be repeated.
type Body struct {
	src    stream.ByteSource
	kind   Kind
	at     bodyState
	left   int64 // data to come of the body, or of the chunk
	excess int64 // what was sent besides data
	seen   int   // how far an incomplete chunk line was searched
	limits *Limits
	tail   section // trailers
	err    error
}

// bodyState is what comes next in the stream.
type bodyState uint8

const (
	atData bodyState = iota
	atChunkLine
	atChunkEnd
	atTrailers
	atBodyEnd
)

// Reset prepares for a body that comes next in src.
func (b *Body) Reset(src stream.ByteSource, framing Framing, limits *Limits) {
	b.src, b.kind, b.limits = src, framing.Kind, limits
	b.left, b.excess, b.seen, b.err = framing.Length, 0, 0, nil
	b.tail.restart()
	switch b.at = atData; {
	case b.kind == NoBody, b.kind == Sized && b.left == 0:
		b.at = atBodyEnd
	case b.kind == Chunked:
		b.at, b.left = atChunkLine, 0
	case b.kind == UntilClose:
		b.left = 1<<63 - 1
	}
}

// Done reports whether the body has been read to its end, trailers included.
func (b *Body) Done() bool { return b.at == atBodyEnd }

// Err returns the error of the body that has been found so far, or nil.
func (b *Body) Err() error { return b.err }

// Next returns buffered data, at least one byte, and waits if there is none. It returns io.EOF after the last byte.
// The slice belongs to the source and is valid until the next call that may wait. The caller reports what it has used
// by [Body.Discard].
func (b *Body) Next(ctx context.Context) ([]byte, error) {
	for {
		if err := b.advance(ctx); err != nil {
			return nil, err
		}
		if p := b.src.Buffered(); len(p) > 0 {
			return p[:min(int64(len(p)), b.left)], nil
		}
		if err := b.fill(ctx); err != nil {
			return nil, err
		}
	}
}

// Discard drops the first n bytes of what Next returned.
func (b *Body) Discard(n int) {
	b.src.Discard(n)
	b.took(n)
}

// Read reads into p, directly from the source if nothing is buffered. It returns io.EOF after the last byte.
func (b *Body) Read(ctx context.Context, p []byte) (int, error) {
	for len(p) > 0 {
		if err := b.advance(ctx); err != nil {
			return 0, err
		}
		n, err := b.src.Read(ctx, p[:min(int64(len(p)), b.left)])
		if n > 0 {
			b.took(n)
			return n, nil
		}
		if err != nil {
			return 0, b.failed(err)
		}
	}
	return 0, nil
}

// Drain reads and drops what is left, if that is at most limit bytes. Otherwise it returns stream.ErrTooLarge, having
// dropped no more than that.
func (b *Body) Drain(ctx context.Context, limit int64) error {
	for {
		if b.kind == Sized && b.left > limit {
			return stream.ErrTooLarge
		}
		p, err := b.Next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case int64(len(p)) > limit:
			return stream.ErrTooLarge
		}
		limit -= int64(len(p))
		b.Discard(len(p))
	}
}

// Trailers returns the fields after a chunked body that has been read to its end. They are valid until the next Fill
// or Read of the source. Fields that [Known.InTrailer] forbids are included.
func (b *Body) Trailers() *Fields { return &b.tail.Fields }

// took counts n used bytes of data, and moves on as far as it can without waiting.
func (b *Body) took(n int) {
	b.left -= int64(n)
	if n == 0 || b.left > 0 {
		return
	}
	if b.kind == Sized {
		b.at = atBodyEnd
		return
	}
	b.at = atChunkEnd
	_ = b.step() // the next call returns what it found
}

// advance waits until data is next. It returns io.EOF at the end of the body.
func (b *Body) advance(ctx context.Context) error {
	for {
		switch err := b.step(); {
		case err != nil:
			return err
		case b.at == atData:
			return nil
		case b.at == atBodyEnd:
			return io.EOF
		}
		if err := b.fill(ctx); err != nil {
			return err
		}
	}
}

func (b *Body) fill(ctx context.Context) error {
	if err := b.src.Fill(ctx, int(min(b.left, 1<<30))); err != nil {
		return b.failed(err)
	}
	return nil
}

// failed returns the error of the body for an error of the source.
func (b *Body) failed(err error) error {
	if err != io.EOF {
		return err
	}
	if b.kind == UntilClose {
		b.at = atBodyEnd
		return io.EOF
	}
	b.err = io.ErrUnexpectedEOF
	return b.err
}

// step parses what has arrived of the framing around data.
func (b *Body) step() error {
	for moved := true; moved && b.err == nil; {
		var err *Error
		switch b.at {
		case atChunkLine:
			moved, err = b.chunkLine(b.src.Buffered())
		case atChunkEnd:
			moved, err = b.chunkEnd(b.src.Buffered())
		case atTrailers:
			moved, err = b.trailers(b.src.Buffered())
		default:
			moved = false
		}
		if err != nil {
			b.err = err
		}
	}
	return b.err
}

// chunkLine takes the line before a chunk's data.
func (b *Body) chunkLine(p []byte) (ok bool, err *Error) {
	most := b.limits.ChunkLine + len("\r\n")
	at := bytes.IndexByte(p[min(b.seen, len(p)):min(len(p), most)], '\n')
	switch {
	case at < 0 && len(p) >= most:
		return false, errChunkLong
	case at < 0:
		b.seen = len(p)
		return false, nil
	}
	at += b.seen
	if at == 0 || p[at-1] != '\r' {
		return false, errChunkLine
	}
	size, padding, err := parseChunkLine(p[:at-1])
	if err != nil {
		return false, err
	}
	b.src.Discard(at + 1)
	b.seen = 0
	return true, b.beginChunk(size, padding)
}

// beginChunk starts a chunk. Padding is allowed in proportion to data.
func (b *Body) beginChunk(size int64, padding int) *Error {
	b.excess += int64(padding)
	if b.excess > int64(b.limits.ChunkExcess) {
		return errChunkExcess
	}
	b.excess = max(0, b.excess-2*min(size, 1<<32))
	b.left, b.at = size, atData
	if size == 0 {
		b.at = atTrailers
		b.tail.limit, b.tail.field, b.tail.many = b.limits.Trailer, b.limits.Trailer, b.limits.TrailerFields
		b.tail.tooLong, b.tail.tooMany = errTrailerLong, errTrailersMany
	}
	return nil
}

// chunkEnd takes the CRLF after a chunk's data.
func (b *Body) chunkEnd(p []byte) (ok bool, err *Error) {
	switch {
	case len(p) == 0:
		return false, nil
	case p[0] != '\r':
		return false, errChunkEnd
	case len(p) == 1:
		return false, nil
	case p[1] != '\n':
		return false, errChunkEnd
	}
	b.src.Discard(2)
	b.at = atChunkLine
	return true, nil
}

// trailers takes the fields after the last chunk, and the empty line that ends the body.
func (b *Body) trailers(p []byte) (ok bool, err *Error) {
	if err := b.tail.lines(p); err != nil {
		return false, err
	}
	if !b.tail.over {
		return false, nil
	}
	b.src.Discard(b.tail.next)
	b.at = atBodyEnd
	return true, nil
}
