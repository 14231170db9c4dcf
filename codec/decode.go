package codec

import (
	"context"
	"errors"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Decode returns the values that c reads from the bytes of src, whatever the chunks these come in. Decoding is done in
// the goroutine of the receiver. It is Gloss's decode-stream.
//
// The stream ends cleanly only between two frames. If it ends within one, the end is an [*Error] that is
// io.ErrUnexpectedEOF. Bytes that c cannot decode end the stream with an *Error, and src is closed: from there on no
// frame can be told from another (but see [Resync]). The offsets of errors count from the first byte that src yields.
//
// When ctx ends while a value is incomplete, Recv has taken nothing (G2): the next one decodes it from its first byte.
// Decode becomes the one consumer of src.
func Decode[T any](src *chanio.Source[[]byte], c Codec[T]) *chanio.Source[T] {
	d := &decoder[T]{up: src.Claim("codec.Decode"), c: notNil(c, "Decode")}
	d.quick = quickWhole(c)
	d.bind()
	return d.source("codec.Decode")
}

// decoder is the state of a Decode.
type decoder[T any] struct {
	up      chanio.Upstream[[]byte]
	c       Codec[T]
	quick   quickDecoder[T] // c, if it is one
	r       Reader
	lending bool   // r.src is the stream's own buffer
	ahead   []byte // what that is known to hold from ahead[at] on, if quick is to be tried on it
	at      int

	magic   *delimiters // of Resync, or nil
	skipped func(n int64, err error)
}

// source returns the values.
func (d *decoder[T]) source(kind string) *chanio.Source[T] {
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: d.quickly(), Close: d.up.Close,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: kind, Upstream: []chanio.Description{d.up.Describe()}}
		},
	})
}

// bind has the Reader read from the stream's own buffer if there is one.
func (d *decoder[T]) bind() {
	if src := d.up.Bytes(); src != nil {
		d.r.src, d.lending = src, true
		return
	}
	d.r.src = ofChunks(d.up)
}

// rebind leaves a window for the stream's own buffer as soon as that is possible.
func (d *decoder[T]) rebind() {
	w, ok := d.r.src.(*window)
	if !ok || len(w.Buffered()) > 0 || w.err != nil {
		return
	}
	if w.below != nil {
		d.r.src = w.below
	} else if src := d.up.Bytes(); src != nil {
		d.r.src = src
	}
	_, stillWindow := d.r.src.(*window)
	d.lending = !stillWindow
}

// quickly returns next, but frames that lie whole in the stream's own buffer are decoded right here.
func (d *decoder[T]) quickly() func(context.Context) (T, error) {
	return func(ctx context.Context) (v T, err error) {
		if d.at < len(d.ahead) {
			if n, ok := d.quick.decodeQuick(d.ahead[d.at:], d.r.src, hidden(&v)); ok && n > 0 {
				d.at += n
				d.r.src.Discard(n)
				d.r.start += int64(n)
				return v, nil
			}
			d.ahead = nil
		}
		return d.next(ctx)
	}
}

func (d *decoder[T]) next(ctx context.Context) (v T, err error) {
	for {
		v, err = d.one(ctx)
		if err == nil || d.magic == nil || d.r.err != nil || !isWrong(err) {
			return v, err
		}
		if err := d.skip(ctx, err); err != nil {
			return v, err
		}
	}
}

// one decodes one frame, and waits for it.
func (d *decoder[T]) one(ctx context.Context) (v T, err error) {
	r := &d.r
	if !d.lending {
		d.rebind()
	}
	if err := r.begin(ctx); err != nil {
		return v, d.up.Fail(ctx, err)
	}
	if d.atHand(hidden(&v)) {
		return v, nil
	}
	v, err = d.c.Decode(r)
	if err == nil && r.err == nil && (r.pos > 0 || r.skew > 0) {
		d.end()
		return v, nil
	}
	var none T
	return none, d.fail(ctx, err)
}

// atHand decodes a frame in the quick way if there is one and the frame is whole.
func (d *decoder[T]) atHand(v *T) bool {
	r := &d.r
	if d.quick == nil || !d.lending || r.held != nil {
		return false
	}
	n, ok := d.quick.decodeQuick(r.buf, r.src, v)
	if !ok || n == 0 {
		return false
	}
	r.pos = n
	d.end()
	return true
}

// end drops the bytes of the frame that has been decoded.
func (d *decoder[T]) end() {
	d.r.end()
	if d.quick != nil && d.lending {
		d.ahead, d.at = d.r.src.Buffered(), 0
	}
}

// isWrong reports whether err says that bytes are not what they should be.
func isWrong(err error) bool {
	var wrong *Error
	return errors.As(err, &wrong)
}

// fail says why there is no value. What the stream met outweighs what the decoder made of it.
func (d *decoder[T]) fail(ctx context.Context, err error) error {
	r := &d.r
	var wrong *Error
	switch {
	case r.err == nil && err == nil:
		return r.Fail(r.Offset(), ErrNoProgress)
	case r.err == nil:
		return r.locate(err)
	case !errors.As(r.err, &wrong): // the stream failed, or ctx ended
		return d.up.Fail(ctx, r.err)
	}
	_ = d.up.Fail(ctx, io.EOF) // a frame was cut short
	if errors.As(err, &wrong) && errors.Is(err, io.ErrUnexpectedEOF) {
		return wrong // with its path
	}
	return r.err
}

func notNil[T any](c Codec[T], where string) Codec[T] {
	if c == nil {
		panic("codec: " + where + ": the Codec is nil")
	}
	return c
}
