package codec

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Encode returns a Sink whose values c writes to sink. Over a connection they are appended to its own buffer, and the
// body of a [BodyCodec] is written from where it is.
//
// A value that c cannot encode is refused with an [*Error]: nothing of it is sent, and the Sink goes on. A panic of c
// likewise leaves nothing behind, and goes on to the caller. The Sink shares its end with sink: closing it closes sink,
// and so on; sink itself can still be sent to, between frames.
func Encode[T any](sink *chanio.Sink[[]byte], c Codec[T]) *chanio.Sink[T] {
	e := newEncoder(sink, notNil(c, "Encode"))
	e.quick = quickToAppend(c)
	hooks := chanio.SinkHooks[T]{
		Send: e.sender(), TrySend: e.trySend, Flush: sink.Flush, Close: sink.Close, Abort: sink.Abort, Cork: sink.Cork,
		End:      sink.End(),
		Describe: func() chanio.Description { return chanio.Description{Kind: "codec.Encode"} },
	}
	return chanio.NewSink(hooks)
}

// encoder is the state of an Encode.
type encoder[T any] struct {
	sink  *chanio.Sink[[]byte]
	to    chanio.ByteSink
	c     Codec[T]
	body  BodyCodec[T]     // c, if it is one
	quick quickAppender[T] // c, if it is one
}

func newEncoder[T any](sink *chanio.Sink[[]byte], c Codec[T]) *encoder[T] {
	e := &encoder[T]{sink: sink, to: chanio.BytesTo(sink), c: c}
	e.body, _ = c.(BodyCodec[T])
	return e
}

// sender returns what sends a value.
func (e *encoder[T]) sender() func(context.Context, T) error {
	to, quick := e.to, e.quick
	return func(ctx context.Context, v T) error {
		dst := to.Begin()
		if quick != nil {
			if dst, ok := quick.appendQuick(dst, hidden(&v)); ok {
				return to.End(ctx, dst, nil)
			}
		}
		dst, body, err := e.encode(dst, v)
		if err != nil {
			return err
		}
		return to.End(ctx, dst, body)
	}
}

func (e *encoder[T]) trySend(v T) (bool, error) {
	dst, body, err := e.encode(e.to.Begin(), v)
	if err != nil {
		return false, err
	}
	return e.to.TryEnd(dst, body)
}

func (e *encoder[T]) encode(dst []byte, v T) (_, body []byte, err error) {
	if e.body != nil {
		dst, body, err = e.body.AppendHead(dst, v)
	} else {
		dst, err = e.c.Append(dst, v)
	}
	if err != nil {
		return nil, nil, encodeError(err)
	}
	return dst, body, nil
}
