package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// Typed returns conn as a Duplex of values encoded by c, one per message of the given kind. A message that c cannot
// decode ends In with an error and closes the connection with 1007; one of the other kind does so with 1003. A value
// that c cannot encode is rejected. Typed becomes the only consumer of conn.In; conn.Out can still be used.
func Typed[T any](conn *Conn, kind Kind, c codec.Codec[T]) *chanio.Duplex[T, T] {
	if c == nil {
		panic("websocket: Typed: the Codec is nil")
	}
	return view(conn, "websocket.Typed", kind,
		func(m Message) (T, error) { return codec.Unmarshal(c, m.Data) },
		func(v T) (Message, error) {
			p, err := codec.Marshal(c, v)
			return Message{Kind: kind, Data: p}, err
		})
}

// JSON is Typed with texts in JSON.
func JSON[T any](conn *Conn, opts ...codec.JSONOption) *chanio.Duplex[T, T] {
	return Typed(conn, TextMessage, codec.JSON[T](opts...))
}

// Texts returns conn as a Duplex of text messages. A binary message ends it as in [Typed].
func Texts(conn *Conn) *chanio.Duplex[string, string] {
	return view(conn, "websocket.Texts", TextMessage,
		func(m Message) (string, error) { return string(m.Data), nil },
		func(s string) (Message, error) { return Text(s), nil })
}

// Bytes returns conn as a stream of bytes, for tunnels: each sent slice leaves as a binary message, which must not exceed
// the peer's limit, and the boundaries of received messages are ignored. A text message ends the stream as in [Typed].
func Bytes(conn *Conn) *chanio.Conn {
	d := view(conn, "websocket.Bytes", BinaryMessage,
		func(m Message) ([]byte, error) { return m.Data, nil },
		func(p []byte) (Message, error) { return Binary(p), nil })
	return chanio.ConnOf(d.In, d.Out, &chanio.ConnInfo{
		LocalAddr: conn.LocalAddr(), RemoteAddr: conn.RemoteAddr(), TLS: conn.conn.TLS(), Released: conn.Done(),
	})
}

// view makes a conversation in values of messages of one kind.
func view[T any](
	conn *Conn, name string, kind Kind, decode func(Message) (T, error), encode func(T) (Message, error),
) *chanio.Duplex[T, T] {
	v := &viewer[T]{conn, conn.In.Claim(name), kind, decode, encode}
	in := chanio.NewSource(chanio.SourceHooks[T]{
		Next: v.next, TryNext: v.tryNext, Close: v.up.Close,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: name, Upstream: []chanio.Description{v.up.Describe()}}
		},
	})
	out := chanio.NewSink(chanio.SinkHooks[T]{
		Send: v.send, TrySend: v.trySend, SendAll: v.sendAll, Flush: conn.Out.Flush, Close: conn.Out.Close,
		Abort: conn.Out.Abort, Cork: conn.Out.Cork, End: conn.Out.End(),
	})
	return &chanio.Duplex[T, T]{In: in, Out: out, Released: conn.Done()}
}

type viewer[T any] struct {
	conn   *Conn
	up     chanio.Upstream[Message]
	kind   Kind
	decode func(Message) (T, error)
	encode func(T) (Message, error)
}

func (v *viewer[T]) next(ctx context.Context) (T, error) {
	m, err := v.up.Next(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return v.value(m)
}

func (v *viewer[T]) tryNext() (T, bool, error) {
	m, ok, err := v.up.TryNext()
	if !ok || err != nil {
		var none T
		return none, false, err
	}
	value, err := v.value(m)
	return value, err == nil, err
}

// value decodes a message. An error ends the connection.
func (v *viewer[T]) value(m Message) (value T, err error) {
	if m.Kind != v.kind {
		err = &CloseError{Code: UnsupportedData, Reason: fmt.Sprintf("%v messages are not accepted", m.Kind), Local: true}
	} else if value, err = v.decode(m); err == nil {
		return value, nil
	} else {
		err = &CloseError{Code: InvalidData, Reason: "message is invalid", Local: true, Err: notEOF(err)}
	}
	v.conn.Out.Abort(err)
	var none T
	return none, err
}

// notEOF hides that a message was too short behind its text: an error that is io.EOF would be a clean end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New(err.Error())
	}
	return err
}

func (v *viewer[T]) send(ctx context.Context, value T) error {
	m, err := v.encode(value)
	if err != nil {
		return err
	}
	return v.conn.Out.Send(ctx, m)
}

func (v *viewer[T]) trySend(value T) (bool, error) {
	m, err := v.encode(value)
	if err != nil {
		return false, err
	}
	return v.conn.Out.TrySend(m)
}

func (v *viewer[T]) sendAll(ctx context.Context, values []T) (int, error) {
	ms := make([]Message, 0, len(values))
	for _, value := range values {
		m, err := v.encode(value)
		if err != nil {
			n, sendErr := v.conn.Out.SendAll(ctx, ms...)
			if sendErr == nil {
				sendErr = err
			}
			return n, sendErr
		}
		ms = append(ms, m)
	}
	return v.conn.Out.SendAll(ctx, ms...)
}
