// Package chanio provides typed streams between goroutines and over networks. A stream is like a channel, and adds what
// channels lack: an error that says why the stream ended, a way for the receiver to stop the sender, cancellation by
// context, and byte streams over connections with bounded buffers.
//
// A [Source] yields values and a [Sink] accepts them. A [Duplex] holds one of each, and a [Conn] is a Duplex of bytes
// with a peer.
//
//	v, err := conn.In.Recv(ctx)             // one value; io.EOF after the last
//	for v := range conn.In.All(ctx) { ... } // the same as a loop, in this goroutine
//	for v := range conn.In.C(ctx) { ... }   // a channel, for range and select
//	err := conn.Out.Send(ctx, v)            // returns when v has been accepted
//	conn.Out.C(ctx) <- v                    // a channel
//	err := conn.Close()                     // drains, half-closes, releases
//
// A Source calls a function for each value. Stages that process one value at a time, such as those of package pipeline
// and the decoders of package codec, wrap such functions: they start no goroutine and cost a few nanoseconds per value.
// Calls that start a goroutine or make a channel take a context as their first parameter: C, and stages such as
// pipeline.Buffer.
//
// # Guarantees
//
// End: a stream yields values and then has exactly one terminal state: clean (io.EOF from Recv, nil from Err), failed,
// or closed by this side (net.ErrClosed). The state is final. Every accepted value is received before it.
//
// Cancellation: a call that returns because its ctx ended has had no effect. Recv has consumed nothing, not even part
// of a frame; Send has accepted nothing; the connection stays usable.
//
// Closing: Close drains and Abort discards. Both unblock all pending calls at once, through every stage, and may be
// called by any goroutine at any time.
//
// Back-pressure: every queue is bounded, and a receiver that stops receiving slows down the peer. No read is issued
// before a receiver asks for data.
//
// Ownership: the receiver of a slice owns it. When Send returns, the sender may reuse its slice.
//
// Consumers: a Source has one consumer; a second one panics. A Sink accepts values from any number of goroutines and
// never interleaves two.
//
// docs/guarantees.md lists all guarantees, numbered, with the tests that verify them.
//
// # Speed
//
// While the input holds further requests, small values are coalesced and written together before the connection waits
// again. This bounds the cost of a plain loop of Recv and Send. A reply with no further request behind it is written at
// once. No value is held back for longer than [ConnConfig].Coalesce, 200 µs by default; in an idle process the timer
// may take a millisecond to fire.
//
// # Custom endpoints
//
// [NewSource] and [NewSink] build endpoints from functions; the connections, stages and codecs of this module use them
// too. Package chanio/chaniotest checks that an endpoint keeps the guarantees.
package chanio
