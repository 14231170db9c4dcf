// Package websocket is the WebSocket protocol (RFC 6455, RFC 7692) over any connection: messages on both sides, each a
// value of a stream.
//
//	conn := websocket.NewConn(c, nil)                  // c *chanio.Conn, after the handshake
//	m, err := conn.In.Recv(ctx)                        // a text or binary message, whole
//	err = conn.Out.Send(ctx, websocket.Text("hello"))
//	err = pipeline.Connect(ctx, conn.In, conn.Out)     // echo, many messages at a time
//	orders := websocket.JSON[Order](conn)              // *chanio.Duplex[Order, Order]
//
// Handshakes are HTTP's: httpd.Upgrade is the server's, httpc.DialWebSocket the client's. This package has no net/http.
//
// # Guarantees
//
// Those of package chanio, and: text is UTF-8 on both sides, checked as it arrives. A peer that breaks a rule is told by
// the close code that the RFC says. Every length of the wire has a limit, checked before memory is allocated. A Recv whose
// ctx ends keeps the connection, and what it had of a message. Pings are answered while nobody receives, within bounds.
// A connection that waits holds no buffer.
package websocket
