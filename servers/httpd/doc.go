// Package httpd is an HTTP server for any http.Handler, router and middleware. It speaks HTTP/1.1, HTTP/1.0 and HTTP/2
// strictly: what RFC 9112 says to refuse is refused, with a status and the end of the connection, and the requests of
// HTTP/2 are held to the same rules, since they may go on to a server of HTTP/1.
//
//	err := httpd.ListenAndServe(ctx, ":8080", handler, nil)
//
// A [Server] serves any net.Listener, and any *servers.Listener, which may have TLS, PROXY headers and limits of its own;
// one Server may serve several at once.
//
// # What handlers see
//
// What they see of net/http, with these differences: a response says HTTP/1.1 also to a client of 1.0; header lines are
// written in the order of their names; the net.Conn of Hijack yields what the client has sent already, so nothing is
// left in the bufio.Reader; MaxBytesReader closes a connection only if more than Config.MaxDrain is left of the body; a
// write deadline ends what waits, so that a Write which the connection takes at once succeeds even behind it. Over
// HTTP/1 a request whose body turns out to be malformed is answered 400 or 431 in the place of a reply below 400 that
// has not been sent yet. A 2xx reply to CONNECT that is not flushed, and opens no tunnel, becomes 501.
//
// # Streams
//
// What follows works on any http.Handler's server, net/http's included:
//
//	httpd.Reply(f)               // a handler whose replies are values: text, JSON, files, streams of values
//	httpd.Stream(f)              // a handler that reads and writes at once, through a Duplex
//	httpd.Body(w, r)             // the body of a request as a Source
//	httpd.Sink(w, r, nil)        // that of a reply as a Sink
//	h, reqs := httpd.Requests(nil) // requests as a Source, each answered by its receiver
//	httpd.Multipart(w, r, nil)   // the parts of a form as a Source
//	httpd.Files(fsys, nil)       // static files
//	httpd.Compress(h, nil), httpd.Decompress(h, nil)
//
// [Info] has what the server knows of a request, [Reset] and [CloseAfter] end one, or its connection. Config.Hooks are told of
// every request, for metrics and logs of access.
//
// [NewNative] saves the http.Request and the http.ResponseWriter.
//
// # HTTP/2
//
// One handler serves both versions: HTTP/2 over TLS by ALPN, otherwise from clients that begin with it. A request has a
// goroutine of its own. A client that resets a stream ends the context of its request, with a [*StreamError] as
// [context.Cause]; a panic ends its stream alone. Streams that nobody reads hold up no other: see [HTTP2Config] for what
// each may hold. Replies leave by the priorities of RFC 9218. [Tunnel] makes a connection of a CONNECT, of either version.
//
// # Guarantees
//
//   - Every wait has a bound, and every length of the wire a limit: see [Config].
//   - The context of a request ends when its client has gone, once the body has been read, and when its handler returns.
//     Nothing is spent on that until somebody asks for Done.
//   - A reply that ends early never looks complete.
//   - A Shutdown lets every request that has begun finish, and tells its client that the connection ends.
package httpd
