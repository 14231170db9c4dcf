package clients

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/socket"
)

const defaultTimeout = 30 * time.Second

// DialTCP connects to addr, in the form host:port, and returns the connection, which the caller must close. If the host
// has several addresses, they are tried concurrently, each with a head start before the next, alternating between IPv6
// and IPv4. The first that answers is used (RFC 8305), and the other attempts have ended when DialTCP returns. cfg may
// be nil. ctx bounds only the dial: when it ends, DialTCP returns its cause; after DialTCP has returned, it has no
// effect.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy. After a timeout it matches
// os.ErrDeadlineExceeded.
func DialTCP(ctx context.Context, addr string, cfg *Config) (*chanio.Conn, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	ctx, cancel := within(ctx, cfg.timeout(), "no connection")
	defer cancel()
	c, err := cfg.connect(ctx, addr, func(conn *chanio.ConnConfig) (*chanio.Conn, error) {
		return cfg.dial(ctx, addr, conn)
	})
	if err != nil {
		return nil, explain(err)
	}
	return c, nil
}

// connect dials and, with TLS, secures the connection to host.
func (cfg *Config) connect(
	ctx context.Context, host string, dial func(conn *chanio.ConnConfig) (*chanio.Conn, error),
) (*chanio.Conn, error) {
	if cfg.TLS == nil {
		return dial(&cfg.Conn)
	}
	return secured(ctx, host, cfg.TLS, &cfg.Conn, func() (*chanio.Conn, error) { return dial(layerBelow(&cfg.Conn)) })
}

// dial connects to addr as configured, directly or through the proxy. It is a [DialFunc].
func (cfg *Config) dial(ctx context.Context, addr string, conn *chanio.ConnConfig) (*chanio.Conn, error) {
	d := dialer{
		resolver: cfg.Resolver, delay: cmp.Or(cfg.AttemptDelay, attemptDelay), local: cfg.LocalAddr,
		options: socket.Options{KeepAlive: cfg.KeepAlive, Delay: cfg.Delay, Control: cfg.Control}, allow: cfg.Allow,
	}
	if cfg.Proxy == nil {
		return d.dial(ctx, addr, conn)
	}
	if cfg.Allow != nil {
		return nil, errors.New("clients: Config has a Proxy and Allow, which cannot see what the proxy connects to: use one or the other")
	}
	conn, keep := releasedIfKept(conn)
	c, err := notNil(cfg.Proxy.DialThrough(ctx, addr, conn, d.dial))
	keep(c)
	return c, err
}

// releasedIfKept returns a configuration for several connections of which at most one is kept. It calls OnRelease only
// for the connection passed to keep.
func releasedIfKept(conn *chanio.ConnConfig) (_ *chanio.ConnConfig, keep func(*chanio.Conn)) {
	if conn == nil || conn.OnRelease == nil {
		return conn, func(*chanio.Conn) {}
	}
	k := &keeping{tell: conn.OnRelease, early: map[*chanio.Conn]bool{}}
	with := *conn
	with.OnRelease = k.released
	return &with, k.keep
}

// keeping passes on the release of the kept connection only.
type keeping struct {
	tell func(*chanio.Conn)

	mu    sync.Mutex
	kept  *chanio.Conn
	early map[*chanio.Conn]bool // released before keep was called; nil afterwards
}

func (k *keeping) released(c *chanio.Conn) {
	k.mu.Lock()
	is := k.kept == c
	if k.early != nil {
		k.early[c] = true
	}
	k.mu.Unlock()
	if is {
		k.tell(c)
	}
}

func (k *keeping) keep(c *chanio.Conn) {
	k.mu.Lock()
	is := k.early[c]
	k.kept, k.early = c, nil
	k.mu.Unlock()
	if is {
		k.tell(c)
	}
}

// notNil returns the results of a dial function, which may be user code. If both are nil, it returns an error.
func notNil(c *chanio.Conn, err error) (*chanio.Conn, error) {
	if c == nil && err == nil {
		err = errors.New("clients: the dial function returned neither a connection nor an error")
	}
	return c, deadline.Sound(err)
}

func (cfg *Config) timeout() time.Duration { return cmp.Or(cfg.Timeout, defaultTimeout) }
