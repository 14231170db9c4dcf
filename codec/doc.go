// Package codec defines how typed values are encoded as bytes. One definition serves both directions.
//
//	type Order struct{ ID uint32; Note string }
//
//	orders := codec.Prefixed(codec.Uint32, codec.JSON[Order]())
//	d := codec.Frame(conn, orders)          // *chanio.Duplex[Order, Order]
//	order, err := d.In.Recv(ctx)
//	err = d.Out.Send(ctx, order)
//
// A [Codec] is a value. Small codecs combine into larger ones, and each works on a connection, a stream of chunks, an
// io.Reader or a []byte. A decoder reads from a [Reader] as if all bytes were there; late bytes never cause decoded
// bytes to be decoded again.
//
// The first table of https://github.com/weir-go/weir/blob/main/docs/codecs.md lists the codec for each common wire
// format, and the page shows the bytes of each codec.
//
// # Guarantees
//
// A cancelled Recv has consumed nothing, not even part of a frame. Lengths and counts received are checked before
// anything is allocated, and memory is then allocated as bytes arrive. Every limit has a default and applies in both
// directions. Errors are of type [*Error] and name the field and the offset; a truncated frame matches
// io.ErrUnexpectedEOF. A value that cannot be encoded is rejected whole.
package codec
