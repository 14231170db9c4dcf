package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
)

// Why a connection is not idle.
var (
	errEnded   = fmt.Errorf("clients: the connection has ended: %w", net.ErrClosed)
	errUnasked = errors.New("clients: the peer has sent something that nobody asked for")
)

// CheckIdle returns an error if a connection that nobody uses is of no use any more: it has ended, the peer has ended its
// side or reset it, or there is input that nobody asked for. It is PoolConfig.Check for protocols of requests and
// replies. It does not block and takes nothing from the stream; a peer that is gone without a word it cannot notice.
func CheckIdle(_ context.Context, c *chanio.Conn) error {
	if isClosed(c.In.Done()) || isClosed(c.Out.Done()) {
		return errEnded
	}
	sc, ok := c.NetConn().(syscall.Conn)
	if !ok {
		return nil
	}
	switch pending, err := socket.Peek(sc); {
	case err != nil:
		return fmt.Errorf("clients: the peer has left: %w", err)
	case pending && c.TLS() == nil: // a session ticket of TLS comes when it likes
		return errUnasked
	}
	return nil
}
