// Package websocket implements the WebSocket protocol (RFC 6455, RFC 7692) over any connection, with messages as the
// values of typed streams.
//
//	conn := websocket.NewConn(c, nil)                  // c *chanio.Conn, after the handshake
//	m, err := conn.In.Recv(ctx)                        // a text or binary message, whole
//	err = conn.Out.Send(ctx, websocket.Text("hello"))
//	err = pipeline.Connect(ctx, conn.In, conn.Out)     // echo, many messages at a time
//	orders := websocket.JSON[Order](conn)              // *chanio.Duplex[Order, Order]
//
// The handshake is part of HTTP: httpd.Upgrade performs the server's side, httpc.DialWebSocket the client's. This
// package does not import net/http.
//
// # Guarantees
//
// In addition to those of package chanio: text is UTF-8 in both directions and checked as it arrives. A peer that
// violates the protocol gets the close code that the RFC specifies. Every length received is checked against a limit
// before memory is allocated. A Recv whose ctx ends keeps the connection, and the part of a message that has arrived.
// Pings are answered, within limits, while nobody receives. A waiting connection holds no buffer.
package websocket
