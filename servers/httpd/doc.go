// Package httpd is an HTTP server for any [http.Handler], router and middleware. It speaks HTTP/1.1, HTTP/1.0 and
// HTTP/2 strictly: messages that RFC 9112 requires a server to reject are rejected with a status, and the connection is
// closed. Requests over HTTP/2 are held to the same rules, since they may be forwarded to an HTTP/1 server.
//
//	err := httpd.ListenAndServe(ctx, ":8080", handler, nil)
//
// A [Server] serves any net.Listener, and any [*servers.Listener], which may have its own TLS, PROXY headers and
// limits. One Server may serve several listeners at once.
//
// # Handlers
//
// Handlers see what they see with net/http, with these differences: a response to an HTTP/1.0 client also says
// HTTP/1.1; header fields are written sorted by name; the net.Conn of Hijack yields what the client has already sent,
// so the bufio.Reader is empty; MaxBytesReader closes a connection only if more than Config.MaxDrain of the body is
// left; a write deadline ends only a Write that waits, so a Write that the connection takes at once succeeds even after
// it; a chunked body of which more than Config.MaxDrain is left when the reply begins cannot be read further (with
// net/http the handler misses that part of it) unless EnableFullDuplex has been called. If the body of an HTTP/1
// request turns out to be malformed, the client gets 400 or 431 instead of a reply below 400 that has not been sent
// yet. A 2xx reply to CONNECT that is not flushed and opens no tunnel becomes 501.
//
// # Streams
//
// The following work with the http.Handler of any server, including net/http:
//
//	httpd.Reply(f)               // a handler that returns its reply: text, JSON, files, streams of values
//	httpd.Stream(f)              // a handler that reads and writes concurrently, through a Duplex
//	httpd.WebSocket(f, nil)      // a handler whose requests become WebSockets; Upgrade does it within a handler
//	httpd.EventStream(f, nil)    // a handler that sends Server-Sent Events; ServeTopic sends those of a topic to all
//	httpd.Body(w, r)             // the body of a request as a Source
//	httpd.Sink(w, r, nil)        // the body of a reply as a Sink
//	h, reqs := httpd.Requests(nil) // requests as a Source, each answered by its receiver
//	httpd.Multipart(w, r, nil)   // the parts of a form as a Source
//	httpd.Files(fsys, nil)       // static files
//	httpd.Compress(h, nil), httpd.Decompress(h, nil)
//
// [Info] returns what the server knows about a request, [Reset] ends a request, and [CloseAfter] its connection.
// Config.Hooks observe every request, for metrics and access logs.
//
// [NewNative] avoids the cost of http.Request and http.ResponseWriter.
//
// # HTTP/2
//
// One handler serves both versions: HTTP/2 over TLS by ALPN, and without TLS from clients that start with it. Each
// request has its own goroutine. When a client resets a stream, the context of its request ends, with a [*StreamError]
// as [context.Cause]. A panic ends only its own stream. Streams that are not read delay no others; see [HTTP2Config]
// for their limits. Replies are sent by the priorities of RFC 9218. [Tunnel] turns a CONNECT request of either version
// into a connection.
//
// # Guarantees
//
//   - Every wait has a timeout, and every length a limit: see [Config].
//   - The context of a request ends when its client has disconnected, once the body has been read, and when its handler
//     returns. Detecting that costs nothing until a handler calls Done, or Err more than once.
//   - A reply that ends early never looks complete.
//   - Shutdown lets every request in progress finish, and tells its client that the connection ends.
package httpd
