// Package codec defines frames once and uses them in both directions: typed values on one side, bytes on the other.
//
//	type Order struct{ ID uint32; Note string }
//
//	orders := codec.Prefixed(codec.Uint32, codec.JSON[Order]())
//	d := codec.Frame(conn, orders)          // *chanio.Duplex[Order, Order]
//	order, err := d.In.Recv(ctx)
//	err = d.Out.Send(ctx, order)
//
// A [Codec] is a value. Small ones are combined into larger ones, and any of them serves a connection, a stream of
// chunks, an io.Reader or a []byte. A decoder reads from a [Reader] as if all bytes were there; nothing is decoded twice
// because bytes come late.
//
// Which codec serves which wire format is the first table of
// https://github.com/weir-go/weir/blob/main/docs/codecs.md, which also shows the bytes of each.
//
// # Guarantees
//
// A cancelled Recv has taken nothing, half a frame included. Lengths and counts from the wire are checked before
// anything is allocated, and memory is then allocated as bytes arrive; every limit has a default and holds in both
// directions. An error is an [*Error] that names the field and the offset, and io.ErrUnexpectedEOF is among them
// for a frame cut short. A value that cannot be encoded is refused whole.
package codec
