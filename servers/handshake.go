package servers

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/guard"
	"github.com/weir-go/weir/internal/stream"
	"github.com/weir-go/weir/internal/tlsconf"
)

// handshakes accepts the connections of a Listener and performs their TLS handshakes, or only reads their PROXY
// headers. Its goroutines, one that accepts and one for each handshake, start with the first call of next and end with
// the Listener.
type handshakes struct {
	l      *Listener
	low    chanio.ConnConfig // of the underlying connections
	within time.Duration     // timeout of TLS

	start  sync.Once
	ctx    context.Context // ends when pending connections will not be received
	cancel context.CancelCauseFunc
	crowd  crowd
	ready  chan *chanio.Conn
	over   chan struct{} // closed when no goroutine is left
	err    error         // why accepting ended

	mu      sync.Mutex
	config  *tls.Config // nil without TLS
	plain   func(first [5]byte) []byte
	started bool
}

func newHandshakes(l *Listener, config *tls.Config) *handshakes {
	h := &handshakes{
		l: l, config: noticing(config), low: chanio.ConnConfig{Linger: l.conn.Linger},
		ready: make(chan *chanio.Conn), over: make(chan struct{}),
		crowd: crowd{most: l.cfg.MaxHandshakes, firstByte: l.cfg.FirstByte, freed: make(chan struct{}, 1)},
	}
	if l.secure != nil {
		h.within = cmp.Or(l.secure.HandshakeTimeout, tlsconf.DefaultHandshakeTimeout)
	}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	return h
}

// setConfig changes the configuration. It returns false after the first call of next.
func (h *handshakes) setConfig(config *tls.Config) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return false
	}
	h.config = noticing(config)
	return true
}

// setPlain sets the answer to clients that do not speak TLS. It returns false after the first call of next.
func (h *handshakes) setPlain(answer func(first [5]byte) []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return false
	}
	h.plain = answer
	return true
}

// pendingKey is the key of a *pending in the context of its handshake.
type pendingKey struct{}

// noticing returns a copy of config that records when a client has sent its hello.
func noticing(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	next := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if p, ok := hello.Context().Value(pendingKey{}).(*pending); ok {
			p.spoke.Store(true)
		}
		return next(hello)
	}
	return config
}

// next returns the next connection whose handshake has succeeded, in the order of completion.
func (h *handshakes) next(ctx context.Context) (*chanio.Conn, error) {
	h.start.Do(func() {
		h.mu.Lock()
		h.started = true
		h.mu.Unlock()
		h.l.setAccepting(true)
		go h.run()
	})
	select {
	case c := <-h.ready:
		return c, nil
	case <-h.over:
		return nil, h.err
	case <-ctx.Done():
		return nil, chanio.Cause(ctx)
	}
}

// wait waits until all goroutines have ended, and prevents further ones from starting.
func (h *handshakes) wait() {
	h.start.Do(func() {
		h.err = io.EOF
		close(h.over)
	})
	<-h.over
}

// run accepts until accepting ends. It returns when no handshake is in progress.
func (h *handshakes) run() {
	defer h.l.setAccepting(false)
	defer close(h.over)
	var shaking sync.WaitGroup
	defer shaking.Wait()
	for {
		nc, peer, err := h.l.accept(h.ctx)
		if err == nil {
			if err = h.crowd.makeRoom(h.ctx); err != nil {
				h.turnAway(nc, peer)
			}
		}
		if err != nil {
			if h.err = err; h.ctx.Err() != nil {
				h.err = io.EOF
			}
			return
		}
		p := h.crowd.enter(h.ctx, peer)
		shaking.Go(func() {
			defer h.crowd.leave(p)
			h.shake(p, nc, peer)
		})
	}
}

// turnAway closes an accepted connection.
func (h *handshakes) turnAway(nc net.Conn, peer net.Addr) {
	refuse(nc)
	if h.l.isBalancer(peer) {
		h.l.room.giveBack() // it has not been counted yet
	} else {
		h.l.room.leave(peer)
	}
}

// shake performs the PROXY header and the handshake of one connection, and passes it to next.
func (h *handshakes) shake(p *pending, nc net.Conn, peer net.Addr) {
	a := arrival{nc: nc, conn: h.l.conn, member: member{peer: peer}}
	if h.l.isBalancer(a.peer) && !h.introduce(p, &a) {
		return
	}
	var c *chanio.Conn
	var took time.Duration
	if c, took = h.secure(p, &a); c == nil {
		return
	}
	h.l.add(c, &a.member)
	h.l.opened(c, took)
	h.crowd.settle(p)
	select {
	case h.ready <- c:
	case <-h.ctx.Done():
		c.Abort(ErrShutdown)
	}
}

// arrival is a connection that has been accepted.
type arrival struct {
	nc   net.Conn
	conn chanio.ConnConfig
	member
}

// introduce reads the PROXY header, if one is expected, and counts the connection for the peer that the header names.
// It reports whether the connection may continue.
func (h *handshakes) introduce(p *pending, a *arrival) bool {
	ctx, cancel := bounded(p.ctx, h.l.cfg.ProxyTimeout)
	defer cancel()
	balancer := a.peer
	header, err := awaitProxyHeader(ctx, p.listening(a.nc))
	if err != nil {
		refuse(a.nc)
		h.l.room.giveBack()
		h.fail(p, balancer, fmt.Errorf("from %s: %w", text(balancer), err), "servers: balancer sent no header")
		return false
	}
	a.header = header
	if header.Source != nil {
		a.conn.RemoteAddr, a.conn.LocalAddr, a.peer = header.Source, header.Destination, header.Source
	}
	if !h.l.room.enter(a.peer) {
		refuse(a.nc)
		h.l.room.giveBack()
		h.l.refused(a.peer)
		return false
	}
	h.crowd.introduced(p, a.peer)
	return true
}

// secure performs the TLS handshake, if any. It returns nil if that failed.
func (h *handshakes) secure(p *pending, a *arrival) (c *chanio.Conn, took time.Duration) {
	w := h.l.wrapped(a.nc)
	if w == nil {
		refuse(a.nc)
		h.l.room.leave(a.peer)
		return nil, 0
	}
	h.l.withAddrs(w, &a.conn)
	if h.config == nil {
		return chanio.NewConn(w, &a.conn), 0
	}
	low, start := h.low, time.Now()
	low.LocalAddr, low.RemoteAddr = a.conn.LocalAddr, a.conn.RemoteAddr
	below := chanio.NewConn(w, &low)
	p.below.Store(below)
	ctx, cancel := bounded(context.WithValue(p.ctx, pendingKey{}, p), h.within)
	defer cancel()
	if h.plain != nil {
		ctx = stream.AnswerPlain(ctx, h.plain)
	}
	var err error
	if panicked := guard.Call(func() { c, err = chanio.TLSServer(ctx, below, h.config, &a.conn) }); panicked != nil {
		below.Abort(panicked)
		c, err = nil, panicked
	}
	if err != nil {
		h.l.room.leave(a.peer)
		h.fail(p, below.RemoteAddr(), err, "servers: tls handshake failed")
		return nil, 0
	}
	return c, time.Since(start)
}

// bounded adds the timeout d to ctx. A negative one is none.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return tlsconf.Within(ctx, d, fmt.Errorf("not over within %v: %w", d, os.ErrDeadlineExceeded))
}

// fail reports a connection that failed before it was delivered, unless the Listener is ending.
func (h *handshakes) fail(p *pending, peer net.Addr, err error, msg string) {
	if h.ctx.Err() != nil {
		return
	}
	h.l.handshakeFailed(peer, err)
	_ = h.l.call("error of a handshake", nil, func() { // it may be of a callback
		attrs := []slog.Attr{slog.String("local", text(h.l.addr)), slog.String("peer", text(peer)), slog.Any("err", err)}
		if stack := stackOf(err); stack != "" {
			h.l.log(slog.LevelError, msg, append(attrs, slog.String("stack", stack))...)
			return
		}
		left := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, errSilent)
		h.l.reportPeer(msg, p.heard() || !left, attrs...)
	})
}
