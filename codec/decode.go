package codec

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Decode returns a Source of the values that c decodes from the bytes of src, regardless of chunk boundaries. It
// decodes in the receiver's goroutine.
//
// The stream ends cleanly only between two frames. If src ends within one, the error is an [*Error] that matches
// io.ErrUnexpectedEOF. If c cannot decode the bytes, the stream ends with an [*Error] and src is closed, because the
// next frame cannot be located (but see [Resync]). Offsets in errors count from the first byte that src yields.
//
// If ctx ends while a value is incomplete, Recv has consumed nothing: the next call decodes the value from its first
// byte. Decode becomes the only consumer of src. It panics if src is a connection and c is open-ended, since such a
// value would be complete only when the peer closes.
func Decode[T any](src *chanio.Source[[]byte], c Codec[T]) *chanio.Source[T] {
	return newDecoder("Decode", src, c).source("codec.Decode")
}

func newDecoder[T any](where string, src *chanio.Source[[]byte], c Codec[T]) *decoder[T] {
	notNil(c, where)
	d := &decoder[T]{up: src.Claim("codec." + where), c: c, quick: quickWhole(c)}
	d.r.up, d.r.src, d.r.copies = d.up, d.up.Bytes(), !SizeOf(c).borrows
	if d.quick == nil {
		d.whole, _ = c.(*prefixed[T])
	} else {
		d.run, _ = underlying(c).(announcer)
	}
	refuseOpen(where, d.up.IsConn(), c)
	return d
}

// decoder is the state of a Decode.
type decoder[T any] struct {
	up    chanio.Upstream[[]byte]
	c     Codec[T]
	quick quickDecoder[T] // c, if it is one
	whole *prefixed[T]    // c, if it is one and not quick
	run   announcer       // c, if it is one and quick
	r     Reader
	self  *chanio.Source[T]
	gone  atomic.Bool // the bytes belong to TLS
	given int         // bytes of values that AtHand or Lend has returned: they count as at hand until the next call
	lent  int         // values that Lend has returned, if that was the latest call
	tried int         // bytes at hand that TryNext has found to be no whole frame

	magic   *delimiters // of Resync, or nil
	skipped func(n int64, err error)
	debt    int64 // of Resync: bytes looked at without a find beyond those dropped
	lost    loss  // of Resync
}

// source returns the values.
func (d *decoder[T]) source(kind string) *chanio.Source[T] {
	hooks := chanio.SourceHooks[T]{
		Next: d.next, TryNext: d.tryNext, Close: d.close, Borrowed: SizeOf(d.c).borrows,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: kind, Upstream: []chanio.Description{d.up.Describe()}}
		},
	}
	if !callsUser(d.quick) {
		hooks.AtHand, hooks.Lend, hooks.Unlend, hooks.Await = d.atHand, d.lend, d.unlend, d.await
	}
	if d.magic != nil {
		hooks.TryNext = nil
	}
	d.self = chanio.NewSource(hooks)
	d.up.Yields(d.yield)
	return d.self
}

// errGone is the error of a Decode whose connection has been upgraded to TLS.
var errGone = errors.New("codec: TLS has begun on the connection: receive what comes from the Conn that it has returned")

// yield gives up the bytes after the last value to TLS. It panics if another goroutine is receiving values.
func (d *decoder[T]) yield(ctx context.Context) error {
	own, err := d.self.Acquire(ctx, "TLS on the connection below")
	if err != nil {
		return err
	}
	defer own.Release()
	d.settle()
	if d.r.held != nil {
		d.r.flatten()
	}
	d.gone.Store(true)
	d.up.Release()
	return nil
}

// close is the Close of the values.
func (d *decoder[T]) close() error {
	if d.gone.Load() {
		return nil
	}
	return d.up.Close()
}

// settle discards the bytes of the values that AtHand has returned.
func (d *decoder[T]) settle() {
	if d.given > 0 {
		d.r.src.Discard(d.given)
		d.r.start += int64(d.given)
		d.given = 0
	}
}

// takeQuick decodes one frame if that lies whole in the buffer, and its codec has a quick way or a length in front. It
// saves 30 of the 145 ns that a Recv and a Send of a small frame take.
func (d *decoder[T]) takeQuick(v *T) (ok bool) {
	n := 0
	switch {
	case d.r.held != nil || d.lost.err != nil:
	case d.quick != nil:
		n, ok = d.quick.decodeQuick(d.r.src.Buffered(), d.r.src, hidden(v))
	case d.whole != nil:
		n, ok = d.whole.decodeWhole(&d.r, d.r.src.Buffered(), v)
	}
	if !ok || n == 0 {
		return false
	}
	d.r.src.Discard(n)
	d.r.start += int64(n)
	return true
}

// next decodes one frame, and waits for it.
func (d *decoder[T]) next(ctx context.Context) (v T, err error) {
	if d.gone.Load() {
		return v, errGone
	}
	d.settle()
	d.tried = 0
	if d.takeQuick(&v) {
		return v, nil
	}
	for {
		if d.lost.err != nil {
			if err := d.skip(ctx); err != nil {
				return *new(T), err
			}
		}
		if err := d.r.begin(ctx); err != nil {
			return *new(T), d.up.Fail(ctx, err)
		}
		err := frame(&d.r, d.c, d.quick, &v)
		if err == nil {
			return v, nil
		}
		if d.magic == nil || d.r.err != nil || asError(err) == nil {
			return *new(T), d.fail(ctx, err)
		}
		d.lose(err)
	}
}

// tryNext decodes one frame if that is at hand.
func (d *decoder[T]) tryNext() (v T, ok bool, err error) {
	if d.gone.Load() {
		return v, false, errGone
	}
	d.settle()
	if d.takeQuick(&v) {
		d.tried = 0
		return v, true, nil
	}
	r := &d.r
	if ok, err := d.tryFill(); !ok || r.held != nil {
		return v, false, err
	}
	for at := len(r.src.Buffered()); ; at = len(r.src.Buffered()) {
		if at == d.tried {
			switch joined, err := d.join(); {
			case err != nil: // so next does not wait
				v, err = d.next(context.Background())
				return v, err == nil, err
			case !joined:
				return *new(T), false, nil
			}
		}
		if err := r.begin(context.Background()); err != nil {
			return v, false, d.up.Fail(context.Background(), err)
		}
		r.atHand = true
		switch err := frame(r, d.c, d.quick, &v); {
		case err == nil:
			d.tried = 0
			return v, true, nil
		case !errors.Is(err, errWouldWait):
			return *new(T), false, d.fail(context.Background(), err)
		}
		d.tried = len(r.src.Buffered())
	}
}

// tryFill takes a chunk that is at hand if nothing is buffered. If there is none, ok is false.
func (d *decoder[T]) tryFill() (ok bool, err error) {
	r := &d.r
	for len(r.src.Buffered()) == 0 && r.held == nil {
		chunk, ok, err := d.up.TryNext()
		if !ok {
			return false, err
		}
		if len(chunk) == 0 {
			continue
		}
		d.up.Unread(chunk)
		r.src = d.up.Bytes()
		if err := r.src.Fill(context.Background(), 1); err != nil {
			return false, d.up.Fail(context.Background(), err)
		}
	}
	return true, nil
}

// join puts chunks that are at hand behind an incomplete frame, about as many bytes as it has. err is the end of the
// stream.
func (d *decoder[T]) join() (joined bool, err error) {
	src, ok := d.r.src.(chanio.TryFiller)
	enough := 2 * len(d.r.src.Buffered())
	for ok && len(d.r.src.Buffered()) < enough {
		if ok, err = src.TryFill(); ok {
			joined = true
		}
	}
	if joined {
		err = nil // a later call meets it again
	}
	return joined, err
}

// errWouldWait is the error of a Reader that must not wait.
var errWouldWait = errors.New("codec: the frame is not at hand")

// atHand decodes frames that are at hand.
func (d *decoder[T]) atHand(dst []T) []T { return d.decodeAtHand(dst, d.r.src) }

// lend is atHand without copies: what values refer to lies in the buffer. For small frames of bytes the copies take a
// fifth of the time of Connect, most of it in the garbage collector.
func (d *decoder[T]) lend(dst []T) []T {
	before := len(dst)
	dst = d.decodeAtHand(dst, lender{})
	d.lent = len(dst) - before
	return dst
}

// lender is a cloner that does not copy.
type lender struct{}

func (lender) Clone(p []byte) []byte { return p[:len(p):len(p)] }

// lendMax is the size of the largest frame that is waited for in the buffer, in order to lend it. A larger one is read
// into a slice of its own.
const lendMax = 512 << 10

// await waits for the first byte of a frame, and for all of one that is a single run of bytes. Of another frame, next
// may find a fault before all of it has come. The source reads a large frame into memory that it uses again: as owned
// values, frames of 64 KiB take nearly twice the time of Connect, most of it in the garbage collector.
func (d *decoder[T]) await(ctx context.Context) error {
	if d.gone.Load() {
		return errGone
	}
	d.settle()
	if d.r.held != nil || d.lost.err != nil {
		return nil
	}
	err := d.r.begin(ctx)
	for err == nil && d.run != nil {
		p := d.r.src.Buffered()
		n := d.run.announced(p)
		if n <= len(p) || n > lendMax {
			break
		}
		err = d.r.src.Fill(ctx, n)
	}
	if err == nil || err == io.EOF {
		return nil // which next meets again
	}
	return d.up.Fail(ctx, err)
}

// unlend takes the last of the lent values back: it decodes those before them again, to find where they start.
func (d *decoder[T]) unlend(vs []T) {
	var v T
	p := d.r.src.Buffered()
	d.given, d.lent = 0, d.lent-len(vs)
	for range d.lent {
		used, _ := d.quick.decodeQuick(p[d.given:], lender{}, hidden(&v))
		d.given += used
	}
}

func (d *decoder[T]) decodeAtHand(dst []T, own cloner) []T {
	if d.gone.Load() {
		return dst
	}
	d.settle()
	if d.r.held != nil || d.lost.err != nil {
		return dst
	}
	p := d.r.src.Buffered()
	for len(dst) < cap(dst) && d.given < len(p) {
		dst = dst[:len(dst)+1]
		n, ok := d.quick.decodeQuick(p[d.given:], own, &dst[len(dst)-1])
		if !ok {
			clear(dst[len(dst)-1:])
			return dst[:len(dst)-1]
		}
		d.given += n
	}
	return dst
}

// fail returns the error of a value that could not be decoded, and ends the stream or, if the bytes are invalid, closes
// it.
func (d *decoder[T]) fail(ctx context.Context, err error) error {
	e := asError(err)
	switch {
	case e == nil: // the stream failed, or ctx ended
		return d.up.Fail(ctx, err)
	case d.r.err != nil:
		_ = d.up.Fail(ctx, io.EOF) // a frame was cut short
	}
	var end chanio.End // which makes e final, even if a codec of the user has met the error of a call on another stream
	end.Set(e)
	return end.Err()
}
