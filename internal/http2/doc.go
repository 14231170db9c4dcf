// Package http2 is the HTTP/2 engine of the server and the client: RFC 9113 on a [chanio.Conn], in both roles. It uses
// the Framer and the hpack package of golang.org/x/net, and does not import net/http.
//
// A [Conn] is one connection. [Conn.Serve] or [Conn.Run] reads it in the goroutine of the caller. A [Stream] is one
// request with its response. Its In is the body that the peer sends, and its Out is the body that this side sends.
// [Stream.Conn] returns the two as a connection.
//
// # States of a stream
//
// The two halves of a stream end independently (RFC 9113 5.1). recvEnd and sentEnd are the END_STREAM flags of the two
// directions; reset is a RST_STREAM of either side:
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
// A closed stream leaves the table of the connection at once. The connection remembers how the most recent ones ended,
// because frames of the peer may still be on their way. Frames for a stream that this side has reset are ignored.
// Frames for a stream that the peer has ended are an error of type STREAM_CLOSED. HEADERS for an id that was passed
// over are an error of the connection.
//
// In has one more state: closed by its reader. Data that then arrives is dropped, and the window of the stream is not
// opened again. When Out has ended, a RST_STREAM asks the peer to stop: NO_ERROR from a server, CANCEL from a client.
//
// A server's stream also has a handler. The stream counts against the peer's limit until it is closed, and its handler
// counts against the connection until it returns. If more than a few handlers of reset streams still run, new streams
// of the peer are refused.
//
// # States of a connection
//
//	live ──────▶ leaving    GOAWAY, sent in two steps (RFC 9113 6.8) or received: no new streams
//	leaving ───▶ ended      no stream is left
//	any ───────▶ ended      a connection error, which a GOAWAY reports, the end of the input, or an abort
//
// # Parts of a connection
//
// A Conn holds the table of its streams and one lock. Its sender gathers frames and writes them. Its receiver reads
// frames and acts on them. A server's acceptor opens the streams of the client.
//
// # Who writes
//
// No goroutine owns the output. Frames are appended to one buffer, under the lock of the connection. Bodies are not
// copied there: their streams are queued by priority (RFC 9218). A goroutine that adds something, and finds that no
// other one is writing, gathers frames and passes them to the ByteSink without waiting for room, until nothing is left.
// A goroutine is started only if there is no room, and ends when there is nothing to write. So a peer that does not
// read never blocks the reader.
//
// # Flow control
//
// Credit of the connection is returned when DATA arrives, so streams that nobody reads never stop other streams. The
// windows of the streams bound the memory: each opens again only as its reader takes bytes, and grows while the reader
// keeps up with the peer.
package http2
