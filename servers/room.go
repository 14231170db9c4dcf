package servers

import (
	"context"
	"io"
	"net"

	"github.com/weir-go/weir/chanio"
)

// room limits the open connections, in all and of each peer. A connection reserves its place, then enters for its peer,
// and leaves when it is over.
type room struct {
	slots chan struct{} // one for each connection; nil: no limit
	perIP perIP
}

// reserve waits for a place. It returns io.EOF once closing is closed.
func (r *room) reserve(ctx context.Context, closing <-chan struct{}) error {
	if r.slots == nil {
		return nil
	}
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-closing:
		return io.EOF
	}
}

// giveBack returns a place that was reserved for a connection which has not entered.
func (r *room) giveBack() {
	if r.slots != nil {
		<-r.slots
	}
}

// enter counts a connection for its peer. It reports false if the peer has as many as it may.
func (r *room) enter(peer net.Addr) bool { return r.perIP.enter(peer) }

// leave removes a connection of peer from the count and returns its place.
func (r *room) leave(peer net.Addr) {
	r.perIP.leave(peer)
	r.giveBack()
}
