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
	hooks := chanio.SinkHooks[T]{
		Send: e.send, TrySend: e.trySend, Flush: sink.Flush, Close: sink.Close, Abort: sink.Abort, Cork: sink.Cork,
		Below:    sink,
		Describe: func() chanio.Description { return chanio.Description{Kind: "codec.Encode"} },
	}
	if e.to == nil {
		hooks.Send, hooks.TrySend = e.sendWhole, e.trySendWhole
	}
	return chanio.NewSink(hooks)
}

// encoder is the state of an Encode.
type encoder[T any] struct {
	sink *chanio.Sink[[]byte]
	to   chanio.ByteSink // nil if sink takes whole values only
	c    Codec[T]
}

func newEncoder[T any](sink *chanio.Sink[[]byte], c Codec[T]) *encoder[T] {
	return &encoder[T]{sink: sink, to: sink.Bytes(), c: c}
}

func (e *encoder[T]) send(ctx context.Context, v T) error {
	dst, _, err := e.to.Begin(ctx, true)
	if err != nil {
		return err
	}
	return e.put(ctx, dst, v)
}

func (e *encoder[T]) trySend(v T) (bool, error) {
	dst, ok, err := e.to.Begin(expired, false)
	if !ok || err != nil {
		return false, err
	}
	err = e.put(expired, dst, v)
	return err == nil, err
}

// put ends what Begin began, whatever the codec does.
func (e *encoder[T]) put(ctx context.Context, dst []byte, v T) (err error) {
	encoded := false
	defer func() {
		if !encoded {
			_ = e.to.End(ctx, nil, nil) // the value is withdrawn
		}
	}()
	dst, body, err := appendHead(e.c, dst, v)
	if err != nil {
		return encodeError(err)
	}
	encoded = true
	return e.to.End(ctx, dst, body)
}

func (e *encoder[T]) sendWhole(ctx context.Context, v T) error {
	p, err := e.c.Append(nil, v)
	if err != nil {
		return encodeError(err)
	}
	return e.sink.Send(ctx, p)
}

func (e *encoder[T]) trySendWhole(v T) (bool, error) {
	p, err := e.c.Append(nil, v)
	if err != nil {
		return false, encodeError(err)
	}
	return e.sink.TrySend(p)
}

// expired is a ctx that has ended: what is done under it does not wait.
var expired = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
