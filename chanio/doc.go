// Package chanio is streams between goroutines and over networks: typed channels with the things that a bare channel
// lacks, a reason why it ended, a way for the receiver to say "no more", a bound on what is buffered, and a price that is
// paid only where a channel is really wanted.
//
// A [Source] yields values and a [Sink] takes them; a [Duplex] is one of each, and a [Conn] is a Duplex of bytes with a
// peer.
//
//	v, err := conn.In.Recv(ctx)             // one value; io.EOF after the last
//	for v := range conn.In.All(ctx) { ... } // the same as a loop, in this goroutine
//	for v := range conn.In.C(ctx) { ... }   // a channel, for range and select
//	err := conn.Out.Send(ctx, v)            // returns when v has been accepted
//	conn.Out.C(ctx) <- v                    // a channel
//	err := conn.Close()                     // drained, half-closed, released
//
// Inside, a Source is a function that is called for the next value. Stages that look at one value after the other, those
// of package pipeline and the decoders of package codec, are such functions around others: they start no goroutine and
// cost a few nanoseconds. Goroutines and channels appear where a signature says so, by taking a context first: C, and
// stages such as pipeline.Buffer.
//
// # Guarantees
//
// One end: values, then exactly one terminal state, clean (io.EOF from Recv, nil from Err), failed, or closed here
// (net.ErrClosed); it stays, and is seen only after every value that was accepted before it.
//
// Cancelling: a call that returned because its ctx ended had no effect. Recv took nothing, half a frame included; Send
// accepted nothing; the connection lives.
//
// Closing: Close drains, Abort discards; both unblock everything that waits, at once and through every stage, and both
// are for any goroutine at any time.
//
// Back-pressure: every queue is bounded, and a receiver that does not receive makes the peer wait. No read is issued
// before somebody asks.
//
// Ownership: the receiver of a slice owns it; when Send returns, the slice is the sender's again.
//
// Consumers: a Source has one, and a second one is a panic; a Sink takes values from any number of goroutines and never
// mixes two.
//
// docs/guarantees.md has all of them, numbered, each with the test that holds it.
//
// # Speed
//
// Small values that are sent while the input already holds the next request leave together, in one write, before the
// connection waits again; this bounds what a plain loop of Recv and Send costs. A reply that nobody follows leaves at
// once, and nothing is held back for longer than 200 µs ([ConnConfig] has the number; an idle process may take a
// millisecond to notice).
//
// # Your own endpoints
//
// [NewSource] and [NewSink] make them of functions; the connections, stages and codecs of this module are made that way
// too. Package chanio/chaniotest tests whether such an endpoint keeps the guarantees.
package chanio
