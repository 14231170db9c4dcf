package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
)

// ErrShutdown is how the input of a connection ends when its server shuts down: a handler that meets it finishes what
// it has begun and returns.
var ErrShutdown = errors.New("servers: shutting down")

// Listener accepts connections. They are had in one of two ways: [Listener.Serve] calls a handler for each, and Conns
// is the stream of them for those who want to accept themselves. All methods are for any goroutine at any time.
type Listener struct {
	// Conns is the connections, each accepted when somebody asks for it. Its receiver owns them and closes each; they
	// count for Shutdown and MaxConns until they are released. Conns ends well with Shutdown and Close; closing Conns
	// itself stops accepting and leaves the accepted connections alone. The channel of C has no capacity, and a
	// connection that it was offering when its ctx ended is aborted. Serve, if called, is the receiver.
	Conns *chanio.Source[*chanio.Conn]

	acceptor acceptor
	conn     chanio.ConnConfig
	options  socket.Options
	log      *slog.Logger
	slots    chan struct{} // one for each connection, if their number is limited
	perIP    perIP

	balancers []netip.Prefix
	wrap      func(net.Conn) net.Conn
	hooks     Hooks

	handshakes *handshakes // nil without TLS and balancers

	mu        sync.Mutex
	state     state
	cause     error // of the abort
	accepting bool
	live      map[*chanio.Conn]int // by how many it is held: until released, and by its handler
	closing   chan struct{}        // closed when nothing more is accepted
	drained   chan struct{}        // closed when live is empty for good, if somebody waits for that
	cut       context.CancelCauseFunc
}

// state is how far a Listener has got.
type state string

const (
	listening state = "listening"
	stopped   state = "not accepting"
	draining  state = "shutting down"
	aborting  state = "aborted"
)

// newListener accepts from nl, which it owns from then on.
func newListener(nl net.Listener, cfg *TCPConfig) *Listener {
	l := &Listener{
		conn: cfg.Conn, options: cfg.socket(), log: cfg.Logger,
		state: listening, live: map[*chanio.Conn]int{}, closing: make(chan struct{}),
		cut: func(error) {}, perIP: perIP{most: cfg.MaxPerIP}, balancers: cfg.ProxyFrom, wrap: cfg.Wrap,
	}
	if cfg.Hooks != nil {
		l.hooks = *cfg.Hooks
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxConns > 0 {
		l.slots = make(chan struct{}, cfg.MaxConns)
	}
	if l.conn.Linger <= 0 {
		l.conn.Linger = chanio.DefaultLinger
	}
	l.conn.OnRelease = func(c *chanio.Conn) {
		if cfg.Conn.OnRelease != nil {
			cfg.Conn.OnRelease(c)
		}
		l.hooks.closed(c)
		l.drop(c)
	}
	l.acceptor.init(nl, l.closing, l.log)
	l.acceptor.failed = l.hooks.acceptFailed
	if len(cfg.ProxyFrom) > 0 {
		l.handshakes = newHandshakes(l, nil, 0, cfg.MaxHandshakes)
	}
	l.Conns = chanio.NewSource(chanio.SourceHooks[*chanio.Conn]{
		Next: l.next, Close: l.stop, Undelivered: func(c *chanio.Conn) { c.Out.Abort(nil) },
	})
	return l
}

// Addr returns the address that the Listener listens on. It goes on working after Close.
func (l *Listener) Addr() net.Addr { return l.acceptor.nl.Addr() }

// String describes the Listener: its transport, address and state, and how many connections are open.
func (l *Listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.state
	if state != listening && len(l.live) == 0 {
		state = "closed"
	}
	addr := l.Addr()
	transport := addr.Network()
	if l.handshakes != nil && l.handshakes.config != nil {
		transport += "+tls"
	}
	return fmt.Sprintf("%s %s (%s, %d open)", transport, addr, state, len(l.live))
}

// Close is [Listener.Shutdown] with the linger bound of the connections as its deadline, 5 s by default: handlers that
// finish in time lose nothing, and it returns an error that is os.ErrDeadlineExceeded if it had to abort the others.
// It is idempotent. Called from within a handler it waits for that handler.
func (l *Listener) Close() error {
	late := fmt.Errorf("servers: close %s: aborted connections still open after %v: %w", l.Addr(), l.conn.Linger, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.conn.Linger, late)
	defer cancel()
	return l.Shutdown(ctx)
}

// next is Conns: it accepts one connection.
func (l *Listener) next(ctx context.Context) (*chanio.Conn, error) {
	if l.handshakes != nil {
		return l.handshakes.next(ctx)
	}
	l.setAccepting(true)
	defer l.setAccepting(false)
	nc, err := l.accept(ctx)
	if err != nil {
		return nil, err
	}
	c := chanio.NewConn(nc, &l.conn)
	l.hooks.opened(c, 0)
	l.add(c)
	return c, nil
}

// accept returns the next connection as it comes, once there may be one more.
func (l *Listener) accept(ctx context.Context) (net.Conn, error) {
	if err := l.reserve(ctx); err != nil {
		return nil, err
	}
	for {
		nc, err := l.acceptor.accept(ctx)
		if err != nil {
			l.giveBack()
			return nil, err
		}
		l.options.Apply(nc)
		if l.wrap != nil {
			nc = l.wrap(nc)
		}
		if peer := nc.RemoteAddr(); !isBalancer(l.balancers, peer) && !l.perIP.enter(peer) {
			refuse(nc)
			l.hooks.refused(peer)
			continue
		}
		return nc, nil
	}
}

// reserve waits until there may be one more connection.
func (l *Listener) reserve(ctx context.Context) error {
	if l.slots == nil {
		return nil
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.closing:
		return io.EOF
	}
}

// giveBack makes room for another connection.
func (l *Listener) giveBack() {
	if l.slots != nil {
		<-l.slots
	}
}

// leave takes a connection that was accepted out of the count.
func (l *Listener) leave(peer net.Addr) {
	l.perIP.leave(peer)
	l.giveBack()
}

// stop stops accepting.
func (l *Listener) stop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != listening {
		return nil
	}
	l.state = stopped
	close(l.closing)
	if l.handshakes != nil {
		l.handshakes.cancel(ErrShutdown)
	}
	return l.acceptor.nl.Close()
}

// setAccepting notes that a connection may be about to come.
func (l *Listener) setAccepting(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepting = on
	l.check()
}
