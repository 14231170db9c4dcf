// Package clients connects to servers and hands out the connections as typed streams.
//
//	conn, err := clients.DialTCP(ctx, "localhost:8080", nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//	orders := codec.Frame(conn, orderCodec)
//
// # Guarantees
//
//   - ctx bounds the dialling and has no bearing on the connection. Every call on that has a ctx of its own.
//   - No goroutine is left behind by dialling, and none belongs to a connection that is idle.
//   - Errors wrap a [*net.OpError] and say what to do about common mistakes.
package clients
