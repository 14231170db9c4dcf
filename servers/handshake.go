package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/tlsconf"
)

// defaultHandshakes is how many handshakes are under way at once.
const defaultHandshakes = 1024

// handshakes accepts the connections of a Listener and secures them. Its goroutines, one that accepts and one for each
// handshake, start with the first call of next and end with the Listener.
type handshakes struct {
	l      *Listener
	config *tls.Config
	low    chanio.ConnConfig // of the connections below
	within time.Duration

	start  sync.Once
	ctx    context.Context // ends with the Listener
	cancel context.CancelCauseFunc
	slots  chan struct{}
	ready  chan *chanio.Conn
	over   chan struct{} // closed when no goroutine is left
	err    error         // why accepting ended
}

func newHandshakes(l *Listener, config *tls.Config, within time.Duration, most int) *handshakes {
	if within <= 0 {
		within = tlsconf.DefaultHandshakeTimeout
	}
	if most <= 0 {
		most = defaultHandshakes
	}
	h := &handshakes{
		l: l, config: config, within: within, low: chanio.ConnConfig{Linger: l.conn.Linger},
		slots: make(chan struct{}, most), ready: make(chan *chanio.Conn), over: make(chan struct{}),
	}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	return h
}

// next returns the next connection whose handshake has succeeded, in the order of that.
func (h *handshakes) next(ctx context.Context) (*chanio.Conn, error) {
	h.start.Do(func() {
		h.l.setAccepting(true)
		go h.run()
	})
	select {
	case c := <-h.ready:
		return c, nil
	case <-h.over:
		return nil, h.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// run accepts until that ends. It returns when no handshake is under way.
func (h *handshakes) run() {
	defer h.l.setAccepting(false)
	defer close(h.over)
	var shaking sync.WaitGroup
	defer shaking.Wait()
	for {
		nc, err := h.accept()
		if err != nil {
			h.err = err
			return
		}
		shaking.Go(func() { h.shake(nc) })
	}
}

// accept waits until there may be one more handshake, and for the connection.
func (h *handshakes) accept() (net.Conn, error) {
	select {
	case h.slots <- struct{}{}:
	case <-h.ctx.Done():
		return nil, io.EOF
	}
	nc, err := h.l.accept(h.ctx)
	if err != nil && h.ctx.Err() != nil {
		err = io.EOF
	}
	return nc, err
}

// shake secures one connection and hands it to next.
func (h *handshakes) shake(nc net.Conn) {
	defer func() { <-h.slots }()
	late := fmt.Errorf("not over within %v: %w", h.within, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(h.ctx, h.within, late)
	defer cancel()
	start, peer := time.Now(), nc.RemoteAddr()
	c, err := chanio.TLSServer(ctx, chanio.NewConn(nc, &h.low), h.config, &h.l.conn)
	if err != nil {
		h.l.leave(peer)
		if h.ctx.Err() == nil {
			h.l.hooks.handshakeFailed(peer, err)
			h.l.log.Warn("servers: tls handshake failed", "err", err)
		}
		return
	}
	h.l.hooks.opened(c, time.Since(start))
	h.l.add(c)
	select {
	case h.ready <- c:
	case <-h.ctx.Done():
		c.Out.Abort(ErrShutdown)
	}
}
