// Package servers accepts connections and hands them out as typed streams.
//
// A server is a [Listener]. It calls a handler for each connection, which owns its goroutine and may block:
//
//	ln, err := servers.ListenTCP(":8080", nil)
//	if err != nil {
//		return err
//	}
//	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
//		return pipeline.Connect(ctx, c.In, c.Out) // echo
//	})
//
// or its connections are themselves a stream, to be received, ranged over, or selected on:
//
//	for c := range ln.Conns.C(ctx) {
//		go talk(ctx, c) // closes c
//	}
//
// [ListenTLS] and [ListenUnix] are for TLS and Unix domain sockets, [Listen] and [ListenFile] for sockets that come from
// elsewhere, as those of systemd that [Inherited] returns; [HandOver] passes them on to the next process.
//
// # Guarantees
//
//   - A connection is accepted when somebody asks for it, and has one goroutine: its handler's. While that waits for
//     input the connection holds no buffer.
//   - Whatever a handler has sent when it returns is delivered before the connection is closed, unless the peer takes
//     nothing for the linger bound. A panic in a handler ends its own connection.
//   - Shutdown tells every connection to finish and loses nothing that was accepted before its deadline. Close is
//     a Shutdown with the linger bound, and the end of Serve's ctx the abrupt way.
//   - When Serve has returned, so have all handlers.
//   - Lack of descriptors makes accepting wait, without spinning, and be tried again.
//   - Nothing is logged unless a Logger is given.
//
// Examples are in docs/examples: echo, increment, slowecho, rpc, proxy, balancer, mtls, sni, unix and statsd.
package servers
