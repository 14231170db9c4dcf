package servers

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
)

// room limits the open connections, in total and for each peer. A connection reserves a place, then enters for its
// peer, and leaves when it is over.
type room struct {
	slots chan struct{} // one for each connection; nil: no limit
	perIP perIP
}

// errNoPlace means that there was no place in time.
var errNoPlace = errors.New("servers: MaxConns connections are open")

// tryReserve reserves a place if there is one now.
func (r *room) tryReserve() bool {
	if r.slots == nil {
		return true
	}
	select {
	case r.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// reserve waits for a place. It returns io.EOF once closing is closed, and errNoPlace when due has a value.
func (r *room) reserve(ctx context.Context, closing <-chan struct{}, due <-chan time.Time) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-closing:
		return io.EOF
	case <-due:
		return errNoPlace
	}
}

// giveBack returns the place of a connection that reserved it and has not entered.
func (r *room) giveBack() {
	if r.slots != nil {
		<-r.slots
	}
}

// enter counts a connection for its peer. It returns false if the peer is at its limit.
func (r *room) enter(peer net.Addr) bool { return r.perIP.enter(peer) }

// leave removes a connection of peer from the count and returns its place.
func (r *room) leave(peer net.Addr) {
	r.perIP.leave(peer)
	r.giveBack()
}
