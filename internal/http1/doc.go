// Package http1 is the HTTP/1.1 engine of the server and the client: RFC 9112 as small types and pure functions over
// the byte streams of package stream. It starts no goroutine, sets no deadline, does not import net/http, and contains
// no policy.
//
// Reading is a cycle of three types that a connection keeps and uses for every message:
//
//	RequestHead    a request line and its fields, as slices of the window
//	ResponseHead   the same for a status line
//	Body           the body of a message, delimited by its Framing, then its trailers
//
//	        Read                    Reset                Next, Read, Discard
//	idle ───────────▶ head at hand ───────▶ body ──┬──────────────────────────▶ over ──▶ idle
//	  │                    │                       │ chunk line, data, CRLF, trailers
//	  └─ io.EOF            └─ *Error               └─ *Error, io.ErrUnexpectedEOF
//
// A server reads
//
//	err := head.Read(ctx, src, limits)   // waits for a whole head; nothing has been discarded yet
//	target := string(head.Target())      // slices are valid until the next Fill or Read of src
//	head.Discard(src)
//	body.Reset(src, head.Framing, limits)
//	chunk, err := body.Next(ctx)         // io.EOF after the last
//
// and writes with [Writer], which frames a body, after a head that the Append functions made in the scratch of a
// stream.ByteSink. A head with a small body is one write; a large body is not copied.
//
// # Verdicts
//
// A message that breaks a rule is an [*Error], which has the status that a server answers with. What follows such a
// message on its connection must not be parsed. The verdict on a message does not depend on the pieces it arrives in:
// each line is checked, in order, when it is complete or longer than its limit.
//
// A server is strict, because if two parsers read a message differently, one message can pass as two: a line ends in
// CRLF, no line is folded, and a message has one length, given once. A client accepts what old servers send where that
// cannot hide a message; see [ResponseHead].
//
// # Costs
//
// A message allocates nothing: heads are parsed in place, well-known names are constants (see [Known]), and the types
// above keep their tables. [Limits] bounds every length before it is buffered.
package http1
