package codec

import (
	"context"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Encode returns a Sink whose values are encoded by c and sent to sink. Over a connection they are appended to scratch
// space, and the body of a [BodyCodec] is written without a copy.
//
// A value that c cannot encode is rejected with an [*Error]: no part of it is sent, and the Sink stays usable. A panic
// of c also leaves nothing behind and propagates to the caller. The Sink shares its end with sink: closing one closes
// the other. Values can still be sent to sink directly, between frames.
func Encode[T any](sink *chanio.Sink[[]byte], c Codec[T]) *chanio.Sink[T] {
	e := &encoder[T]{to: chanio.BytesTo(sink), c: splitOf(notNil(c, "Encode"))}
	hooks := chanio.SinkHooks[T]{
		Send: e.send, TrySend: e.trySend, Flush: sink.Flush, Close: sink.Close, Abort: sink.Abort, Cork: sink.Cork, End: sink.End(),
		Describe: func() chanio.Description { return chanio.Description{Kind: "codec.Encode"} },
	}
	// A user's codec may keep a string that it encodes, which is then not to lie in a buffer, and may panic after
	// others of its values have been sent.
	if !callsUser(quickWhole(c)) {
		hooks.SendAll, hooks.Consumes = e.sendAll, true
	}
	return chanio.NewSink(hooks)
}

// encoder is the state of an Encode.
type encoder[T any] struct {
	to chanio.ByteSink
	c  split[T]

	taken atomic.Bool // by a Send, which uses the fields below; for good if a codec has panicked in it
	own   []byte      // room for a small value, of length 0
	large bool        // the latest value did not fit
}

// ownMax is the size of the largest value that send encodes in its own memory. Scratch of the sink would have to be lent
// and returned for each value, which takes 20 of the 60 ns of sending a small one.
const ownMax = 1 << 10

// append appends a value to scratch, except for a body that need not be copied.
func (e *encoder[T]) append(scratch []byte, v T) (_, body []byte, err error) {
	if scratch, body, err = e.c.appendHead(scratch, v); err != nil {
		return nil, nil, encodeError(err)
	}
	return scratch, body, nil
}

func (e *encoder[T]) send(ctx context.Context, v T) error {
	if e.taken.CompareAndSwap(false, true) {
		err := e.sendTaken(ctx, v)
		e.taken.Store(false)
		return err
	}
	return e.sendLent(ctx, v)
}

// sendLent is send with scratch of the sink.
func (e *encoder[T]) sendLent(ctx context.Context, v T) error {
	scratch, body, err := e.append(e.to.Begin(), v)
	if err != nil {
		return err
	}
	return e.to.End(ctx, scratch, body)
}

// sendTaken is send for the call that has set taken.
func (e *encoder[T]) sendTaken(ctx context.Context, v T) error {
	scratch, lent := e.own, e.large
	if lent {
		scratch = e.to.Begin()
	}
	head, body, err := e.append(scratch, v)
	if err != nil {
		return err
	}
	e.large = len(head) > ownMax
	switch {
	case lent:
		return e.to.End(ctx, head, body)
	case len(head)+len(body) > ownMax:
		return e.to.End(ctx, append(e.to.Begin(), head...), body)
	}
	head = append(head, body...)
	if cap(head) <= 2*ownMax {
		e.own = head[:0]
	}
	return e.to.End(ctx, nil, head)
}

func (e *encoder[T]) trySend(v T) (bool, error) {
	scratch, body, err := e.append(e.to.Begin(), v)
	if err != nil {
		return false, err
	}
	ok, err := e.to.TryEnd(scratch, body)
	if !ok && err == nil {
		_, _ = e.to.TryEnd(scratch[:0], nil) // is scratch again
	}
	return ok, err
}

const (
	batchMax = 16 << 10 // bytes of small values that SendAll hands over at once
	bodyCopy = 1 << 10  // the largest body that is copied for that
)

// sendAll sends many small values in one write. If ctx ends before a batch is accepted, none of its values is accepted.
// A value that cannot be encoded is rejected after those before it have been accepted.
func (e *encoder[T]) sendAll(ctx context.Context, vs []T) (n int, err error) {
	if len(vs) == 1 {
		if err = e.send(ctx, vs[0]); err != nil {
			return 0, err
		}
		return 1, nil
	}
	for n < len(vs) {
		scratch, count, refused := e.to.Begin(), 0, error(nil)
		var body []byte
		for n+count < len(vs) && len(scratch) < batchMax && body == nil && refused == nil {
			before := scratch
			if scratch, body, refused = e.append(scratch, vs[n+count]); refused != nil {
				scratch = before
				break
			}
			if count++; len(body) <= bodyCopy {
				scratch, body = append(scratch, body...), nil
			}
		}
		if count > 0 {
			if err := e.to.End(ctx, scratch, body); err != nil {
				return n, err
			}
		}
		if n += count; refused != nil {
			return n, refused
		}
	}
	return n, nil
}
