// Package clients connects to servers and hands out the connections as typed streams.
//
//	conn, err := clients.DialTCP(ctx, "localhost:8080", nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	orders := codec.Frame(conn, orderCodec)
//
// A [Config] says where names are looked up ([SystemResolver], [NewStaticResolver], [NewDNSResolver], and [FirstOf]
// and [RoundRobin] of others) and which [Proxy] the connection goes through. [DialTLS] secures it. On top of that
// [Reconnect] is a stream of connections, each made when the one before has ended; a [Pool] lends connections to one
// caller at a time; a [Caller] lets many share one; and a [Client] makes calls over a connection that it makes again.
//
// # Guarantees
//
//   - ctx bounds the dialling and has no bearing on the connection. Every call on that has a ctx of its own.
//   - No goroutine is left behind by dialling, and none belongs to a connection that is idle.
//   - Errors wrap a [*net.OpError] and say what to do about common mistakes.
//
// Examples are in docs/examples: dnsmap, increment, jsonrpc, memcached, mtls, proxy, redis, rpc, sni and unix.
package clients
