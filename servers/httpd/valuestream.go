package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/weir-go/weir/chanio"
)

// pourSize is the length from which encoded values are sent, even if more are available.
const pourSize = 16 << 10

// sourceBody is a body whose values come from a Source.
type sourceBody[T any] struct {
	src    *chanio.Source[T]
	encode func(dst []byte, v T) ([]byte, error)
}

func newSourceBody[T any](src *chanio.Source[T], encode func([]byte, T) ([]byte, error)) body {
	if src == nil {
		panic("httpd: the Source of a Response is nil")
	}
	return &sourceBody[T]{src, encode}
}

func (b *sourceBody[T]) length() int64 { return -1 }
func (b *sourceBody[T]) close() error  { return b.src.Close() }

func (b *sourceBody[T]) send(w http.ResponseWriter, r *http.Request, status int) error {
	out, sink := newSink(w, r, nil)
	defer sink.settle()
	sink.status = status
	p := pouring[T]{up: b.src.Claim("httpd.Reply"), out: out, encode: b.encode, buf: make([]byte, 0, 1024)}
	err := p.run(r.Context())
	if err == nil && !sink.began {
		err = p.flushHead(r.Context())
	}
	failure := out.Close() // it sends what was written before
	if err == nil {
		err = failure
	}
	if err != nil && sink.began {
		return begun{err}
	}
	return err
}

// begun is an error that occurred after the head of a reply.
type begun struct{ error }

func (e begun) Unwrap() error { return e.error }

// pouring sends the values of a Source. It encodes the values that are available into one buffer and sends it when no
// more are.
type pouring[T any] struct {
	up     chanio.Upstream[T]
	out    *chanio.Sink[[]byte]
	encode func([]byte, T) ([]byte, error)
	buf    []byte
	batch  [32]T
	begun  bool
}

// run sends all values. It returns nil at the end of the stream.
func (p *pouring[T]) run(ctx context.Context) error {
	for {
		for _, v := range p.up.AtHand(p.batch[:0]) {
			if err := p.add(ctx, v); err != nil {
				return err
			}
		}
		v, ok, err := p.up.TryNext()
		if !ok && err == nil {
			if err := p.send(ctx); err != nil {
				return err
			}
			v, err = p.up.Next(ctx)
		}
		if err == nil {
			err = p.add(ctx, v)
		}
		if err == io.EOF {
			return p.sendLast(ctx)
		}
		if err != nil {
			return errors.Join(err, p.sendLast(ctx))
		}
	}
}

// add appends the encoding of v to the buffer, and sends the buffer if it is large enough.
func (p *pouring[T]) add(ctx context.Context, v T) (err error) {
	if p.buf, err = p.encode(p.buf, v); err != nil || len(p.buf) < pourSize {
		return err
	}
	return p.send(ctx)
}

// send sends the buffer, or the head if nothing was sent before. It is called before the stream waits, or when the
// buffer is large enough.
func (p *pouring[T]) send(ctx context.Context) error {
	if len(p.buf) == 0 {
		if p.begun {
			return nil
		}
		return p.flushHead(ctx)
	}
	p.begun = true
	err := p.out.Send(ctx, p.buf)
	p.buf = p.buf[:0]
	return err
}

// sendLast sends the buffer, unless it is empty.
func (p *pouring[T]) sendLast(ctx context.Context) error {
	if len(p.buf) == 0 {
		return nil
	}
	return p.send(ctx)
}

// flushHead sends only the head, so that the client need not wait for it.
func (p *pouring[T]) flushHead(ctx context.Context) error {
	p.begun = true
	if err := p.out.Flush(ctx); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// readerBody is a body that is read from an io.Reader.
type readerBody struct {
	r    io.Reader
	n    int64
	body body // streams src
	src  *chanio.Source[[]byte]
}

func newReaderBody(r io.Reader) body {
	if r == nil {
		panic("httpd: the io.Reader of a Response is nil")
	}
	b := &readerBody{r: r, n: -1}
	if l, ok := r.(interface{ Len() int }); ok {
		b.n = int64(l.Len())
	}
	var closers []func() error
	if c, ok := r.(io.Closer); ok {
		closers = append(closers, c.Close)
	}
	b.src = chanio.FromReader(r, closers...)
	b.body = newSourceBody(b.src, func(dst, p []byte) ([]byte, error) { return append(dst, p...), nil })
	return b
}

func (b *readerBody) length() int64 { return b.n }
func (b *readerBody) close() error  { return b.src.Close() }

func (b *readerBody) send(w http.ResponseWriter, r *http.Request, status int) error {
	if b.n < 0 {
		defer context.AfterFunc(r.Context(), func() { _ = b.src.Close() })() // a blocked Read returns when the request ends
		return b.body.send(w, r, status)
	}
	w.WriteHeader(status)
	if n, err := io.Copy(w, b.r); err != nil || n != b.n {
		return begun{errors.Join(err, io.ErrUnexpectedEOF)}
	}
	return nil
}
