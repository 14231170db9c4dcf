// Package servers accepts network connections and exposes them as typed streams.
//
// A server is a [Listener]. [Listener.Serve] calls a handler for each connection, in a goroutine of its own, so
// handlers may block:
//
//	ln, err := servers.ListenTCP(":8080", nil)
//	if err != nil {
//		return err
//	}
//	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
//		return pipeline.Connect(ctx, c.In, c.Out) // echo
//	})
//
// Alternatively, receive the connections themselves as a stream:
//
//	for c := range ln.Conns.C(ctx) {
//		go talk(ctx, c) // closes c
//	}
//
// [ListenTCP], [ListenTLS] and [ListenUnix] create sockets. [Listen] and [ListenFile] accept from existing ones, such
// as those that systemd passes and [Inherited] returns. [HandOver] passes them to a successor process.
//
// # Guarantees
//
//   - A connection is accepted only when a receiver asks for one. It uses one goroutine, its handler's, and holds no
//     buffer while the handler waits for input.
//   - Data that a handler has sent when it returns is delivered before the connection is closed, unless the peer reads
//     nothing for the linger bound. A panic in a handler ends only its own connection.
//   - Shutdown asks every connection to finish and loses nothing that was accepted before its deadline. Close is
//     Shutdown with the linger bound as its deadline. The end of Serve's ctx is abrupt.
//   - When Serve has returned, all handlers have returned.
//   - If the process runs out of descriptors, accepting pauses and retries without spinning.
//   - Nothing is logged unless Config.Logger is set.
//
// Examples are in docs/examples: echo, increment, slowecho, rpc, proxy, balancer, mtls, sni, unix and statsd.
package servers
