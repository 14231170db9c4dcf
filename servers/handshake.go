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

// handshakes accepts the connections of a Listener and secures them, or only reads what balancers begin theirs with.
// Its goroutines, one that accepts and one for each handshake, start with the first call of next and end with the
// Listener.
type handshakes struct {
	l      *Listener
	config *tls.Config       // nil without TLS
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

// shake does what comes before the first byte of one connection, and hands it to next.
func (h *handshakes) shake(nc net.Conn) {
	defer func() { <-h.slots }()
	late := fmt.Errorf("not over within %v: %w", h.within, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(h.ctx, h.within, late)
	defer cancel()
	conn, ok := h.admit(ctx, nc)
	if !ok {
		return
	}
	c, ok := h.secure(ctx, nc, &conn)
	if !ok {
		return
	}
	h.l.add(c)
	select {
	case h.ready <- c:
	case <-h.ctx.Done():
		c.Out.Abort(ErrShutdown)
	}
}

// admit returns the configuration of a connection that may go on. That of a balancer is counted here, once it has said
// for whom it is.
func (h *handshakes) admit(ctx context.Context, nc net.Conn) (conn chanio.ConnConfig, ok bool) {
	conn = h.l.conn
	peer := nc.RemoteAddr()
	if !isBalancer(h.l.balancers, peer) {
		return conn, true
	}
	p, err := awaitProxied(ctx, nc)
	if err != nil {
		refuse(nc)
		h.l.giveBack()
		h.fail(peer, fmt.Errorf("from %s: %w", peer, err), "servers: balancer sent no header")
		return conn, false
	}
	conn.RemoteAddr, conn.LocalAddr = tcpAddrOf(p.from), tcpAddrOf(p.to)
	if conn.RemoteAddr != nil {
		peer = conn.RemoteAddr
	}
	if !h.l.perIP.enter(peer) {
		refuse(nc)
		h.l.giveBack()
		h.l.hooks.refused(peer)
		return conn, false
	}
	return conn, true
}

// secure does the handshake, if there is one.
func (h *handshakes) secure(ctx context.Context, nc net.Conn, conn *chanio.ConnConfig) (*chanio.Conn, bool) {
	if h.config == nil {
		c := chanio.NewConn(nc, conn)
		h.l.hooks.opened(c, 0)
		return c, true
	}
	low := h.low
	low.LocalAddr, low.RemoteAddr = conn.LocalAddr, conn.RemoteAddr
	below, start := chanio.NewConn(nc, &low), time.Now()
	c, err := chanio.TLSServer(ctx, below, h.config, conn)
	if err != nil {
		h.l.leave(below.RemoteAddr())
		h.fail(below.RemoteAddr(), err, "servers: tls handshake failed")
		return nil, false
	}
	h.l.hooks.opened(c, time.Since(start))
	return c, true
}

// fail tells of a connection that got no further, unless that is because the Listener ends.
func (h *handshakes) fail(peer net.Addr, err error, msg string) {
	if h.ctx.Err() == nil {
		h.l.hooks.handshakeFailed(peer, err)
		h.l.log.Warn(msg, "err", err)
	}
}
