package chanio

import "github.com/weir-go/weir/internal/memconn"

// Pipe returns two connected in-memory Conns: what one sends the other receives. Each direction holds up to 64 KiB that
// the peer has not read. They behave like a TCP connection, half-close and abort included, need no cleanup but Close, and
// may be used in a testing/synctest bubble.
func Pipe() (*Conn, *Conn) {
	a, b := memconn.Pipe(0)
	return NewConn(a, nil), NewConn(b, nil)
}
