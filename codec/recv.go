package codec

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Recv takes one value of c from src and leaves what follows it there: for a header before raw bytes, and for a
// handshake before the codec of the conversation is known. It blocks as src.Recv does, returns io.EOF if src has ended
// before the value's first byte, and otherwise has the errors of [Decode]; a cancelled call has taken nothing (G2). It
// is Gloss's decode-stream-headers.
//
//	hello, err := codec.Recv(ctx, conn.In, helloCodec)
//	...
//	d := codec.Frame(conn, codecOf(hello)) // or go on with conn.In as bytes
func Recv[T any](ctx context.Context, src *chanio.Source[[]byte], c Codec[T]) (T, error) {
	d := &decoder[T]{up: src.Claim("codec.Recv"), c: notNil(c, "Recv")}
	d.bind()
	v, err := d.next(ctx)
	d.giveBack()
	if isWrong(err) {
		_ = d.up.Close() // where the next value begins is not known
	}
	d.up.Release()
	return v, err
}

// giveBack puts bytes that were taken and are not part of a value back into the stream.
func (d *decoder[T]) giveBack() {
	if d.r.held != nil {
		d.r.flatten()
	}
	if w, ok := d.r.src.(*window); ok && len(w.Buffered()) > 0 {
		d.up.Unread(w.Buffered())
	}
}

// Send sends one value of c to sink, between whatever else is sent there. Its errors are those of a Sink of [Encode].
func Send[T any](ctx context.Context, sink *chanio.Sink[[]byte], c Codec[T], v T) error {
	e := newEncoder(sink, notNil(c, "Send"))
	if e.to == nil {
		return e.sendWhole(ctx, v)
	}
	return e.send(ctx, v)
}

// Resync is [Decode] that goes on after garbage: where c fails it drops bytes up to the next occurrence of magic, with
// which every frame begins and c too, and decodes again from there. Each time it has dropped n bytes because of err,
// skipped is told, in the goroutine of the receiver, before the next value is returned; skipped may be nil. What magic
// looks like within a frame is not taken for one unless the frame was wrong. The end of the stream and its failures are
// those of Decode; a last frame cut short is one too.
func Resync[T any](
	src *chanio.Source[[]byte], magic string, c Codec[T], skipped func(n int64, err error),
) *chanio.Source[T] {
	if magic == "" {
		panic("codec: Resync: magic is empty")
	}
	d := &decoder[T]{up: src.Claim("codec.Resync"), c: notNil(c, "Resync"), skipped: skipped}
	if skipped == nil {
		d.skipped = func(int64, error) {}
	}
	d.magic = newDelimiters("Resync", magic, nil)
	d.bind()
	return d.source("codec.Resync")
}

// skip drops bytes up to the next magic behind the first byte of the frame that err is about.
func (d *decoder[T]) skip(ctx context.Context, err error) error {
	r := &d.r
	if r.held != nil {
		r.flatten() // what a large body took is looked through as well
	}
	dropped := int64(0)
	for {
		r.pos, r.skew, r.limit, r.err = 0, 0, noLimit, nil
		r.show(r.src.Buffered())
		from := 0
		if dropped == 0 {
			from = min(1, r.have)
		}
		at, width := d.magic.find(r.buf, from, false)
		dropped += int64(at)
		r.src.Discard(at)
		r.start += int64(at)
		if width > 0 {
			d.skipped(dropped, err)
			return nil
		}
		r.show(r.src.Buffered())
		if err := r.fill(r.have + 1); err != nil {
			d.skipped(dropped, err)
			return d.up.Fail(ctx, err)
		}
	}
}
