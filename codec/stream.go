package codec

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Decoder reads values from an io.Reader. For one that is a connection, and for anything that is to be cancelled, use
// [Frame] instead. It is for one goroutine at a time.
type Decoder[T any] struct {
	c     Codec[T]
	quick quickDecoder[T] // c, if it is one
	r     Reader
	err   error
}

// NewDecoder returns a Decoder of values of c. It reads ahead; [Decoder.Buffered] returns what it has read too much.
func NewDecoder[T any](src io.Reader, c Codec[T]) *Decoder[T] {
	d := &Decoder[T]{c: notNil(c, "NewDecoder")}
	d.quick = quickWhole(c)
	d.r.src = ofReader(src)
	return d
}

// Decode returns the next value, and io.EOF after the last. A frame cut short, and bytes that c cannot decode, are an
// [*Error]. After an error it goes on returning that.
func (d *Decoder[T]) Decode() (v T, err error) {
	if d.err != nil {
		return v, d.err
	}
	if d.quick != nil {
		src := d.r.src.(*window) // it is one always; calls of it are cheaper
		if n, ok := d.quick.decodeQuick(src.Buffered(), src, hidden(&v)); ok && n > 0 {
			src.Discard(n)
			d.r.start += int64(n)
			return v, nil
		}
	}
	return d.slow()
}

// slow decodes what the quick way cannot.
func (d *Decoder[T]) slow() (v T, err error) {
	if d.err = d.r.begin(context.Background()); d.err != nil {
		return v, d.err
	}
	v, err = d.c.Decode(&d.r)
	if err == nil && d.r.err == nil && d.r.pos+d.r.skew > 0 {
		d.r.end()
		return v, nil
	}
	var none T
	d.err = d.failure(err)
	return none, d.err
}

func (d *Decoder[T]) failure(err error) error {
	var wrong *Error
	switch {
	case d.r.err != nil && !errors.As(d.r.err, &wrong):
		return d.r.err // the io.Reader's
	case err == nil:
		err = d.r.err
	}
	if err == nil {
		return d.r.Fail(d.r.Offset(), ErrNoProgress)
	}
	return d.r.locate(err)
}

// All returns an iterator over the values. An error other than io.EOF is the last that it yields.
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

// Buffered returns a copy of the bytes behind the last value that have been read already.
func (d *Decoder[T]) Buffered() []byte { return append([]byte(nil), d.r.src.Buffered()...) }

// Encoder writes values to an io.Writer. It is for one goroutine at a time.
type Encoder[T any] struct {
	c     Codec[T]
	quick quickAppender[T] // c, if it is one
	dst   io.Writer
	buf   []byte
}

// NewEncoder returns an Encoder of values of c.
func NewEncoder[T any](dst io.Writer, c Codec[T]) *Encoder[T] {
	return &Encoder[T]{c: notNil(c, "NewEncoder"), quick: quickToAppend(c), dst: dst}
}

// Encode writes v in one Write. If c cannot encode it the error is an [*Error] and nothing is written.
func (e *Encoder[T]) Encode(v T) error {
	p, err := e.append(hidden(&v))
	if err != nil {
		return encodeError(err)
	}
	if cap(p) <= keepMax {
		e.buf = p
	}
	_, err = e.dst.Write(p)
	return err
}

func (e *Encoder[T]) append(v *T) ([]byte, error) {
	if e.quick != nil {
		if p, ok := e.quick.appendQuick(e.buf[:0], v); ok {
			return p, nil
		}
	}
	return e.c.Append(e.buf[:0], *v)
}

// keepMax is the largest buffer that an Encoder keeps for the next value.
const keepMax = 64 << 10
