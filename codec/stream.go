package codec

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/weir-go/weir/chanio"
)

// Decoder reads values from an io.Reader. For a connection, or to cancel a call, use [Frame]. A Decoder is for one
// goroutine at a time.
type Decoder[T any] struct {
	c     Codec[T]
	quick quickDecoder[T] // c, if it is one
	r     Reader
	err   error
}

// NewDecoder returns a Decoder of values of c. It reads ahead; [Decoder.Buffered] returns the bytes read beyond the
// last value.
func NewDecoder[T any](src io.Reader, c Codec[T]) *Decoder[T] {
	refuse(src == nil, "NewDecoder: the io.Reader is nil")
	d := &Decoder[T]{c: notNil(c, "NewDecoder"), quick: quickWhole(c)}
	d.r.src = chanio.BytesOf(chanio.FromReader(struct{ io.Reader }{src})) // its deadlines are not ours
	d.r.copies = !SizeOf(c).borrows
	return d
}

// Decode returns the next value, or io.EOF after the last. A truncated frame, and bytes that c cannot decode, are an
// [*Error]. After an error Decode keeps returning it. After a panic of the codec it does not continue within that
// frame.
func (d *Decoder[T]) Decode() (v T, err error) {
	if d.err == nil {
		d.err = d.next(&v)
	}
	if d.err != nil {
		return *new(T), d.err
	}
	return v, nil
}

var errPanicked = errors.New("codec: the Codec has panicked")

// next decodes values at hand one after the other, and drops their bytes when more are needed.
func (d *Decoder[T]) next(v *T) error {
	r := &d.r
	if d.quick != nil && r.pos < len(r.buf) {
		if n, ok := d.quick.decodeQuick(r.buf[r.pos:], r.src, hidden(v)); ok {
			r.pos += n
			return nil
		}
	}
	r.end()
	d.err = errPanicked // unless next returns: r is within a frame
	if err := r.begin(context.Background()); err != nil {
		return err
	}
	err := several(r, d.c, d.quick, v)
	r.clear()
	return err
}

// All returns an iterator over the values. An error other than io.EOF is in the last pair.
func (d *Decoder[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := d.Decode()
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Buffered returns a copy of the bytes that were read beyond the last value.
func (d *Decoder[T]) Buffered() []byte {
	ahead := d.r.src.Buffered()
	switch h := d.r.held; {
	case d.err == nil:
		ahead = ahead[d.r.pos:]
	case h != nil:
		return slices.Concat(h.head, h.body, ahead)
	}
	return slices.Clone(ahead)
}

// Encoder writes values to an io.Writer. It is for one goroutine at a time.
type Encoder[T any] struct {
	c   Codec[T]
	dst io.Writer
	buf []byte
	err error // of dst
}

// NewEncoder returns an Encoder of values of c.
func NewEncoder[T any](dst io.Writer, c Codec[T]) *Encoder[T] {
	refuse(dst == nil, "NewEncoder: the io.Writer is nil")
	return &Encoder[T]{c: notNil(c, "NewEncoder"), dst: dst}
}

// Encode writes v in one Write. If c cannot encode v the error is an [*Error] and nothing is written. After an error of
// the io.Writer, which may have written a part of a value, Encode keeps returning that error.
func (e *Encoder[T]) Encode(v T) error {
	if e.err != nil {
		return e.err
	}
	p, err := MarshalAppend(e.c, e.buf[:0], hidden(&v))
	if err != nil {
		return encodeError(err)
	}
	if cap(p) <= keepMax {
		e.buf = p
	}
	n, err := e.dst.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	e.err = err
	return err
}

// keepMax is the largest buffer, in bytes, that an Encoder keeps for the next value.
const keepMax = 64 << 10
