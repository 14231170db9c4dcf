package codec

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Recv receives one value of c from src and leaves the bytes after it in src: for example a header before raw bytes, or
// a handshake that determines the codec of the rest. It blocks as src.Recv does. It returns io.EOF if src has ended
// before the first byte of the value, and otherwise the errors of [Decode]. A cancelled call has consumed nothing. Recv
// allocates only memory for the value.
//
//	hello, err := codec.Recv(ctx, conn.In, helloCodec)
//	...
//	d := codec.Frame(conn, codecOf(hello)) // or go on with conn.In as bytes
func Recv[T any](ctx context.Context, src *chanio.Source[[]byte], c Codec[T]) (v T, err error) {
	notNil(c, "Recv")
	up, err := src.Acquire(ctx, "codec.Recv")
	if err != nil {
		return v, err
	}
	defer up.Release()
	in := up.Bytes()
	refuseOpen("Recv", up.IsConn(), c)
	r := readers.Get().(*Reader)
	r.up, r.src, r.start, r.ended, r.copies = up, in, 0, false, !SizeOf(c).borrows
	err = recv(ctx, r, c, &v)
	cut := r.err != nil
	r.release()
	if err == nil {
		return v, nil
	}
	e := asError(err)
	switch {
	case e == nil:
		return *new(T), up.Fail(ctx, err)
	case cut:
		_ = up.Fail(ctx, io.EOF)
	default:
		_ = up.Close() // the start of the next value is unknown
	}
	return *new(T), e
}

// recv decodes one value. If it fails, or c panics, the bytes of a large body go back to the source.
func recv[T any](ctx context.Context, r *Reader, c Codec[T], v *T) error {
	defer func() {
		if r.held != nil {
			r.flatten()
		}
	}()
	if err := r.begin(ctx); err != nil {
		return err
	}
	return frame(r, c, quickWhole(c), v)
}

// Send sends one value of c to sink. Other values may be sent to sink before and after. The errors are those of a Sink
// of [Encode].
func Send[T any](ctx context.Context, sink *chanio.Sink[[]byte], c Codec[T], v T) error {
	e := encoder[T]{to: chanio.BytesTo(sink), c: splitOf(notNil(c, "Send"))}
	return e.sendLent(ctx, v)
}
