package codec

import "github.com/weir-go/weir/chanio"

// Frame returns conn as a Duplex of values of c. Closing it closes conn. Frame panics if c is open-ended, since such a
// value would be complete only when the peer closes.
func Frame[T any](conn *chanio.Conn, c Codec[T]) *chanio.Duplex[T, T] {
	return FrameBoth(conn, c, c)
}

// FrameBoth is [Frame] with a codec for each direction: in for received values, out for sent ones.
func FrameBoth[R, W any](conn *chanio.Conn, in Codec[R], out Codec[W]) *chanio.Duplex[R, W] {
	refuse(conn == nil, "Frame: the Conn is nil")
	refuseOpen("Frame", true, notNil(in, "Frame"))
	notNil(out, "Frame")
	return &chanio.Duplex[R, W]{In: Decode(conn.In, in), Out: Encode(conn.Out, out), Released: conn.Done()}
}
