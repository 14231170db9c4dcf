package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/socket"
	"github.com/weir-go/weir/internal/stream"
)

// The reasons why a connection is not idle.
var (
	errEnded   = fmt.Errorf("clients: the connection has ended: %w", net.ErrClosed)
	errUnasked = errors.New("clients: the peer has sent something that nobody asked for")
)

// CheckIdle returns an error if an unused connection is no longer usable: it has ended, the peer has closed or reset
// it, or unsolicited input is in the socket or in the buffer of In. It is a PoolConfig.Check for request/response
// protocols. It does not block and consumes nothing from the stream. It cannot detect a peer that vanished without a
// reset. Below TLS it allows input in the socket, because session tickets may arrive at any time; on a connection
// without a socket, such as that of [chanio.Pipe], it examines only the buffer. While a stage owns In, it cannot see
// what the stage holds, nor input in a TLS record that has been read.
func CheckIdle(_ context.Context, c *chanio.Conn) error {
	if deadline.Ended(c.In.Done()) || deadline.Ended(c.Out.Done()) {
		return errEnded
	}
	if c.Buffered() || isBehind(c) {
		return errUnasked
	}
	sc, ok := c.NetConn().(syscall.Conn)
	if !ok {
		return nil
	}
	switch pending, err := socket.NewPeeker(sc).Peek(); {
	case err != nil:
		return fmt.Errorf("clients: the peer has left: %w", err)
	case pending && c.TLS() == nil: // TLS session tickets may arrive at any time
		return errUnasked
	}
	return nil
}

// isBehind reports whether input lies where c.Buffered does not look: in a TLS record that has been read, or in what a
// stage has left. While a stage owns In it cannot look there either.
func isBehind(c *chanio.Conn) bool {
	up, err := c.In.Acquire(deadline.Past, "clients.CheckIdle")
	if err != nil {
		return false
	}
	defer up.Release()
	return stream.HasArrived(up.Bytes())
}
