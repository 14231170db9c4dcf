package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/socket"
	"github.com/weir-go/weir/internal/tlsconf"
)

// ErrShutdown ends the input of a connection when its server shuts down. A handler that receives it should finish its
// work and return.
var ErrShutdown = errors.New("servers: shutting down")

// Listener accepts connections. There are two ways to receive them: [Listener.Serve] calls a handler for each one, and
// Conns is a stream of them. All methods are safe for concurrent use.
type Listener struct {
	// Conns yields the connections. Each is accepted when a receiver asks for it. The receiver owns the connections and
	// must close them; they count for Shutdown and MaxConns until they are released. Conns ends cleanly with Shutdown
	// and Close. Closing Conns itself only stops accepting and leaves accepted connections alone. The channel of C is
	// unbuffered, and a connection that it offers when its ctx ends is aborted. Serve, if called, is the only receiver.
	Conns *chanio.Source[*chanio.Conn]

	observer
	conn     chanio.ConnConfig // of each connection
	options  socket.Options
	acceptor acceptor
	addr     net.Addr
	room     room

	secure     *tlsconf.Server // nil without TLS
	handshakes *handshakes     // nil without TLS and balancers

	mu        sync.Mutex
	state     state
	cause     error // of the abort
	accepting bool
	live      map[*chanio.Conn]*member
	closing   chan struct{} // closed when accepting has been stopped
	closed    chan struct{} // closed when the net.Listener is
	drained   chan struct{} // closed when nothing is left; nil if not waited for
	cut       context.CancelCauseFunc
}

// state is the stage of a Listener's life.
type state string

const (
	listening state = "listening"
	stopped   state = "not accepting"
	draining  state = "shutting down"
	aborting  state = "aborted"
)

// newListener returns a Listener that does not listen yet. cfg has its defaults filled in.
func newListener(cfg Config) (*Listener, error) {
	l := &Listener{
		observer: observer{cfg: cfg}, conn: cfg.Conn, options: cfg.socket(), room: room{perIP: perIP{most: cfg.MaxPerIP}},
		state: listening, live: map[*chanio.Conn]*member{}, closing: make(chan struct{}), closed: make(chan struct{}), cut: func(error) {},
	}
	l.conn.OnRelease = func(c *chanio.Conn) {
		l.uncount(c, opened)
		l.released(c)
		l.drop(c, opened)
	}
	if cfg.MaxConns > 0 {
		l.room.slots = make(chan struct{}, cfg.MaxConns)
	}
	if l.secure = cfg.TLS.internal(); l.secure != nil {
		config, err := l.secure.Config(cfg.Logger)
		if err != nil {
			return nil, fmt.Errorf("servers: %w", err)
		}
		l.handshakes = newHandshakes(l, config)
	} else if len(cfg.ProxyFrom) > 0 || cfg.ProxyAlways {
		l.handshakes = newHandshakes(l, nil)
	}
	l.Conns = chanio.NewSource(chanio.SourceHooks[*chanio.Conn]{
		Next: l.next, Close: l.closeConns, Undelivered: func(c *chanio.Conn) { c.Abort(nil) },
	})
	return l, nil
}

// listenOn sets the net.Listener to accept from. l owns it from then on.
func (l *Listener) listenOn(nl net.Listener) {
	_ = l.call("net.Listener", nil, func() { l.addr = printable(nl.Addr()) })
	l.addr = firstAddr(l.addr)
	l.acceptor.init(nl, l.addr, l.closing, l.cfg.Logger)
	l.acceptor.failed = l.acceptFailed
}

// SetALPN sets the application protocols of every TLS configuration that names none, in TLSConfig.ALPN or in NextProtos
// of its Base. Protocol servers call it to announce what they speak. It must be called before the first connection is
// requested and fails later. Without TLS it does nothing.
func (l *Listener) SetALPN(protocols ...string) error {
	if l.secure == nil || len(l.secure.ALPN) > 0 {
		return nil
	}
	with := *l.secure
	with.DefaultALPN = protocols
	log, unmute := muted(l.cfg.Logger) // newListener has logged warnings about the certificates
	config, err := with.Config(log)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	unmute()
	if !l.handshakes.setConfig(config) {
		return fmt.Errorf("servers: %s: SetALPN comes too late: connections are being accepted", l.Addr())
	}
	return nil
}

// SetPlainAnswer sets the answer to a client that connects without TLS to a TLS port. answer is called with the first
// five bytes that the client sent; its result, if not empty, is sent unencrypted before the connection is closed. Like
// [Listener.SetALPN] it is for protocol servers, must be called before the first connection is requested, fails later,
// and does nothing without TLS. answer may be called concurrently, and its result is not modified.
func (l *Listener) SetPlainAnswer(answer func(first [5]byte) []byte) error {
	if l.secure != nil && !l.handshakes.setPlain(answer) {
		return fmt.Errorf("servers: %s: SetPlainAnswer comes too late: connections are being accepted", l.Addr())
	}
	return nil
}

// TLSConfig returns a copy of Config.TLS, nil without TLS.
func (l *Listener) TLSConfig() *TLSConfig {
	if l.cfg.TLS == nil {
		return nil
	}
	secure := *l.cfg.TLS
	return &secure
}

// Addr returns the address that the Listener listens on. It remains valid after Close.
func (l *Listener) Addr() net.Addr { return l.addr }

// String returns the transport, address and state of the Listener, and the number of open connections.
func (l *Listener) String() string {
	addr := l.Addr()
	transport := addr.Network()
	if l.secure != nil {
		transport += "+tls"
	}
	l.mu.Lock()
	state, open := l.state, len(l.live)
	l.mu.Unlock()
	if state != listening && open == 0 {
		state = "closed"
	}
	return fmt.Sprintf("%s %s (%s, %d open)", transport, addr, state, open)
}

// Close is [Listener.Shutdown] with the linger bound of the connections, 5 s by default, as its deadline. Handlers that
// finish in time lose nothing. If others had to be aborted, Close returns an error that matches os.ErrDeadlineExceeded.
// It is idempotent. A handler that calls Close waits for itself until the deadline.
func (l *Listener) Close() error {
	late := fmt.Errorf("servers: close %s: aborted connections still open after %v: %w", l.Addr(), l.conn.Linger, os.ErrDeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(context.Background(), l.conn.Linger, late)
	defer cancel()
	return l.Shutdown(ctx)
}

// next is the Next hook of Conns. It returns a connection that is ready for use.
func (l *Listener) next(ctx context.Context) (*chanio.Conn, error) {
	for {
		c, err := l.nextOpened(ctx)
		if err != nil {
			return nil, err
		}
		if c.Out.End().Open() { // otherwise Hooks.Opened rejected it
			return c, nil
		}
	}
}

func (l *Listener) nextOpened(ctx context.Context) (*chanio.Conn, error) {
	if l.handshakes != nil {
		return l.handshakes.next(ctx)
	}
	l.setAccepting(true)
	defer l.setAccepting(false)
	for {
		nc, peer, err := l.accept(ctx)
		if err != nil {
			return nil, err
		}
		if c := l.open(nc, peer, l.conn); c != nil {
			return c, nil
		}
	}
}

// open wraps nc, a connection without TLS that is counted for peer, in a Conn. It returns nil if nc was refused.
func (l *Listener) open(nc net.Conn, peer net.Addr, conn chanio.ConnConfig) *chanio.Conn {
	w := l.wrapped(nc)
	if w == nil {
		refuse(nc)
		l.room.leave(peer)
		return nil
	}
	l.withAddrs(w, &conn)
	c := chanio.NewConn(w, &conn)
	l.add(c, &member{peer: peer})
	l.opened(c, 0)
	return c
}

// accept waits for room for a connection and returns the next one, with the peer that it is counted for.
func (l *Listener) accept(ctx context.Context) (nc net.Conn, peer net.Addr, err error) {
	if err := l.reserve(ctx); err != nil {
		return nil, nil, err
	}
	for {
		nc, err := l.acceptor.accept(ctx)
		if err != nil {
			l.room.giveBack()
			return nil, nil, err
		}
		l.options.Apply(nc)
		if _, peer = l.addrs(nc); !l.isBalancer(peer) && !l.room.enter(peer) {
			refuse(nc)
			l.refused(peer)
			continue
		}
		return nc, peer, nil
	}
}

// reserve waits for room. Handshakes of silent peers that take it up are ended, one at a time.
func (l *Listener) reserve(ctx context.Context) error {
	if l.room.tryReserve() {
		return nil
	}
	for {
		var silent *pending
		var due <-chan time.Time
		if l.handshakes != nil {
			silent, due = l.handshakes.crowd.silent()
		}
		err := l.room.reserve(ctx, l.closing, due)
		if err == errNoPlace && l.handshakes.crowd.isSilent(silent) {
			silent.cancel(errMadeRoom)
			err = l.room.reserve(ctx, l.closing, time.After(patience)) // its place will be free at once
		}
		if err != errNoPlace {
			return err
		}
	}
}

// stop stops accepting. Accepted connections continue. The Close of a foreign net.Listener may wait for them, or for a
// peer of its own, so stop waits for it only a while longer than Close may take.
func (l *Listener) stop() error {
	select {
	case err := <-l.beginStop():
		return err
	case <-time.After(min(max(l.conn.Linger, 0), time.Minute) + foreignClose): // a Linger may be without limit
		return nil
	}
}

// beginStop is stop without the wait. The result of closing the net.Listener comes from the channel, or nil if another call
// closes it.
func (l *Listener) beginStop() <-chan error {
	done := make(chan error, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != listening {
		done <- nil
		return done
	}
	l.state = stopped
	close(l.closing)
	go func() { done <- l.closeListener() }()
	return done
}

// closeListener closes the net.Listener.
func (l *Listener) closeListener() (err error) {
	if panicked := l.call("net.Listener", nil, func() { err = l.acceptor.nl.Close() }); panicked != nil {
		err = panicked
	}
	l.acceptor.stopped()
	close(l.closed)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.check()
	return err
}

// closeConns is the Close hook of Conns. Connections in their handshake are then not received.
func (l *Listener) closeConns() error {
	err := l.stop()
	if l.handshakes != nil {
		l.handshakes.cancel(ErrShutdown)
	}
	return err
}

// setAccepting records whether an accept is in progress.
func (l *Listener) setAccepting(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepting = on
	l.check()
}
