// Package clients connects to servers and returns the connections as typed streams.
//
//	conn, err := clients.DialTCP(ctx, "localhost:8080", nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	orders := codec.Frame(conn, orderCodec)
//
// A [Config] selects how names are resolved ([SystemResolver], [NewStaticResolver], [NewDNSResolver], combined by
// [FirstOf] and [RoundRobin]) and which [Proxy] the connection uses. [DialTLS] secures it. On top of that, [Reconnect]
// is a stream of connections, each opened when the one before has ended; a [Pool] lends connections to one caller at a
// time; a [Caller] lets many goroutines share one; and a [Client] makes calls over a connection that it reopens as
// needed.
//
// # Guarantees
//
//   - The ctx of a dial bounds only the dial. Each call on the connection has its own ctx.
//   - Dialing leaves no goroutine behind, and an idle connection has none.
//   - Errors wrap a [*net.OpError], and for common mistakes their text suggests a remedy.
//
// Examples are in docs/examples: dnsmap, increment, jsonrpc, memcached, mtls, proxy, redis, rpc, sni and unix.
package clients
