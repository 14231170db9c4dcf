// Package http2 is the HTTP/2 engine below the server and the client: RFC 9113 on a [chanio.Conn], in both roles. It uses
// golang.org/x/net/http2 for its Framer, and hpack, and knows no net/http.
//
// A [Conn] is one connection. [Conn.Serve] or [Conn.Run] reads it, in the goroutine of the caller; a [Stream] is one
// request with its response. Its In is the body that the peer sends and its Out the one that it is sent, and together
// they are a connection of their own: [Stream.Conn].
//
// # States of a stream
//
// The two halves of a stream end by themselves (RFC 9113 5.1). recvEnd and sentEnd are the END_STREAM flags of the two
// directions, reset a RST_STREAM of either side:
//
//	              HEADERS
//	    idle ────────┬──────────────▶ open
//	                 │ with END_STREAM  │
//	                 ▼                  │ END_STREAM from the peer: recvEnd
//	half-closed (remote) ◀──────────────┤
//	                 │                  │ END_STREAM to the peer: sentEnd
//	                 │                  ▼
//	                 │            half-closed (local)
//	                 │ sentEnd          │ recvEnd
//	                 └────────▶ closed ◀┘        RST_STREAM, GOAWAY below the stream's id, or the end of
//	                              ▲              the connection leads here from every state but idle
//	                              └── reset
//
// A closed stream leaves the table of the connection at once. Of those that left last the connection remembers how they
// ended, since what the peer sent meanwhile is still on its way: frames for a stream that this side has reset are ignored,
// those for one that the peer has ended are an error of type STREAM_CLOSED, and HEADERS for an id that was passed over
// are an error of the connection.
//
// In has one more state: closed by its reader. What then arrives is dropped, the window of the stream is not opened again,
// and as soon as Out has ended a RST_STREAM tells the peer to stop: NO_ERROR from a server, CANCEL from a client.
//
// A server's stream has a handler besides. The stream counts against the peer until it is closed, and against the
// connection until its handler has returned: a peer that opens and resets streams in a row is refused new ones while more
// than a few handlers of such streams still run.
//
// # States of a connection
//
//	live ──────▶ leaving    GOAWAY, sent in two steps (RFC 9113 6.8) or received: no new streams
//	leaving ───▶ ended      no stream is left
//	any ───────▶ ended      an error of the connection, which is told by a GOAWAY, the end of the input, or an abort
//
// # Who writes
//
// Nobody owns the output. Frames are appended to one buffer, under the lock of the connection; bodies stay where they are
// and their streams are put in a queue by priority (RFC 9218). A goroutine that adds something and finds that nobody is writing
// gathers frames, hands them to the ByteSink without waiting for room, and goes on until nothing is left. A goroutine is
// started only when there is no room, and ends when there is nothing to write. So the reader never waits for a clogged peer.
//
// # Flow control
//
// Credit of the connection is given back when DATA arrives, so that no number of streams that nobody reads stops another.
// Memory is bounded by the windows of the streams: each opens again only as its reader takes bytes, and grows while the
// reader keeps up with the peer.
package http2
