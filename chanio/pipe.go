package chanio

import "github.com/weir-go/weir/internal/memconn"

// Pipe returns two connected in-memory Conns: each receives what the other sends. Each direction buffers up to 64 KiB.
// The Conns behave like a TCP connection, including half-close and abort, need no cleanup except Close, and work in a
// testing/synctest bubble.
func Pipe() (*Conn, *Conn) {
	a, b := memconn.Pipe(0)
	return NewConn(a, nil), NewConn(b, nil)
}
