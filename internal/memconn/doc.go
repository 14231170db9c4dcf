// Package memconn connects two ends of one process by buffered byte streams
// that behave as TCP connections do.
//
// A pair has two directions, each with a bounded buffer of its own. A Write
// returns once the buffer has taken its bytes, which is what a socket does and
// [net.Pipe] does not, and blocks while the buffer is full:
//
//	a, b := memconn.Pipe(0) // 64 KiB each way
//	go func() {
//		defer a.Close()
//		io.WriteString(a, "hello")
//		a.CloseWrite() // b reads "hello", then io.EOF
//		io.Copy(os.Stdout, a)
//	}()
//	defer b.Close()
//	io.Copy(b, b)
//
// A [Listener] hands out such pairs to code that wants to dial and accept.
//
// # Guarantees
//
//   - No goroutine is started. A deadline in the future is a timer, and Close
//     stops it.
//   - Whatever waits, waits on a channel, so a blocked call is durably blocked
//     in a testing/synctest bubble. Channels and timers are made when first
//     needed: a pair belongs to the bubble in which it first blocks.
//   - A Read or Write that need not wait allocates nothing, once the buffer has
//     grown to the traffic it carries; a buffer not written to takes no memory.
//   - Concurrent Writes are not interleaved, and each byte goes to one Read.
//   - Errors other than io.EOF are a [*net.OpError] around [net.ErrClosed],
//     [os.ErrDeadlineExceeded], [syscall.ECONNRESET], [syscall.EPIPE] or
//     [syscall.ECONNREFUSED], to be matched by [errors.Is].
//
// # Where it differs from TCP
//
// Closing a TCP socket whose receive buffer still holds data resets the
// connection, and may take from the peer what was sent to it before. Here the
// peer reads everything that was written before Close, and then io.EOF; only
// [Conn.Abort] resets. A write to a peer that has closed fails at once, where
// TCP needs a round trip to learn of it. After a reset every call fails with
// ECONNRESET, not only the first.
package memconn
