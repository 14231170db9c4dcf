package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/eof"
)

// ReconnectConfig configures a [Reconnector]. A nil *ReconnectConfig and the zero value use the defaults.
type ReconnectConfig struct {
	// Backoff returns the pause after a failure. nil means ExponentialBackoff(100 ms, 30 s, 0.5).
	Backoff Backoff

	// Stable is the age from which a connection counts as a success when it ends. One that ends sooner and was not
	// useful counts as a failure to connect, so that a server which accepts and hangs up is not dialed in a tight loop.
	// 0 means 10 s; with a negative value every connection is a success.
	Stable time.Duration

	// Useful reports whether a connection that ended before it was Stable was a success all the same. nil means that it
	// was if bytes have passed in both directions after the dial; the dial includes any dialogue with a proxy.
	Useful func(c *chanio.Conn) bool

	// MaxAttempts is the number of consecutive failures after which Conns fails. 0 means no limit.
	MaxAttempts int

	// Permanent reports whether a dial error ends Conns at once. nil means that none does.
	Permanent func(err error) bool
}

// Reconnector keeps a connection open by dialing again when it has ended. It is a stream of the successive connections.
//
// All work is done in the goroutine of the receiver of Conns; a Reconnector starts none.
type Reconnector struct {
	// Conns yields a connection, and the next one when that has been released (see [chanio.Conn.Done]). The receiver
	// owns the connections and must close them. Conns fails with the last error after MaxAttempts failures or a
	// permanent one. Its ctx bounds the wait and the dial; if it ends first, the next receiver waits for the rest of
	// the pause. Closing Conns ends a pause or a dial at once. The channel of C is unbuffered. A connection that it
	// offers when its ctx ends is aborted, which does not count as a failure.
	Conns *chanio.Source[*chanio.Conn]

	// States yields the current state and then each new one. A slow receiver misses intermediate states, never the
	// latest. It ends cleanly after [Ended].
	States *chanio.Source[ReconnectState]

	dial  func(ctx context.Context) (*chanio.Conn, error)
	cfg   ReconnectConfig
	board board

	// The following fields are owned by the receiver.
	failures int          // consecutive failures
	due      time.Time    // time of the next attempt
	conn     *chanio.Conn // the last one, until its end is noticed or it is taken back
	life     *life        // of conn

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the attempt
	closed chan struct{}           // closed with mu held
}

// Reconnect returns a Reconnector that opens connections with dial, which is called by one goroutine at a time and must
// respect its ctx. cfg may be nil. It does not dial before a receiver of Conns asks.
//
// The pause after n consecutive failures is Backoff(n). A stable connection resets the count: when it ends, the pause
// is Backoff(1), and if the next attempt fails too, that is the first failure. A pause starts when the attempt or the
// connection has ended, even if no receiver asks for the next connection then.
func Reconnect(dial func(ctx context.Context) (*chanio.Conn, error), cfg *ReconnectConfig) *Reconnector {
	if dial == nil {
		panic("clients: Reconnect: needs a function to dial")
	}
	r := &Reconnector{dial: dial, closed: make(chan struct{})}
	if cfg != nil {
		r.cfg = *cfg
	}
	if r.cfg.MaxAttempts < 0 {
		panic(fmt.Sprintf("clients: Reconnect: MaxAttempts must be at least 0, got %d", r.cfg.MaxAttempts))
	}
	if r.cfg.Backoff == nil {
		r.cfg.Backoff = ExponentialBackoff(100*time.Millisecond, 30*time.Second, 0.5)
	}
	r.cfg.Stable = cmp.Or(r.cfg.Stable, 10*time.Second)
	if r.cfg.Useful == nil {
		r.cfg.Useful = func(c *chanio.Conn) bool { return r.life.useful(c) }
	}
	r.board.state = ReconnectState{Phase: Idle}
	r.board.version = 1
	r.States = r.board.source()
	r.Conns = chanio.NewSource(chanio.SourceHooks[*chanio.Conn]{
		Next: r.next, Close: r.close, Undelivered: r.takeBack,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "clients.Reconnect " + string(r.State().Phase)}
		},
	})
	return r
}

// State returns the current state.
func (r *Reconnector) State() ReconnectState { return r.board.get() }

// Close closes Conns. The connection yielded last belongs to its receiver and stays open.
func (r *Reconnector) Close() error { return r.Conns.Close() }

// next returns the next connection.
func (r *Reconnector) next(ctx context.Context) (*chanio.Conn, error) {
	if err := r.awaitEnd(ctx); err != nil {
		return nil, err
	}
	for {
		if err := r.pause(ctx); err != nil {
			return nil, err
		}
		c, err := r.attempt(ctx)
		if err == nil {
			return c, nil
		}
		switch {
		case deadline.Ended(r.closed):
			return nil, net.ErrClosed
		case ctx.Err() != nil:
			r.board.set(ReconnectState{Phase: Idle, Failures: r.failures})
			return nil, chanio.Cause(ctx)
		}
		if err := r.failed(err); err != nil {
			return nil, err
		}
	}
}

// awaitEnd waits until the previous connection has been released, and decides whether it was a success.
func (r *Reconnector) awaitEnd(ctx context.Context) error {
	if r.conn == nil {
		return nil
	}
	select {
	case <-r.conn.Done():
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-r.closed:
		return net.ErrClosed
	}
	c := r.conn
	r.conn = nil
	ended := r.life.end()
	if lived := ended.Sub(r.life.began); lived < r.cfg.Stable && !r.cfg.Useful(c) {
		return r.failedAt(ended, fmt.Errorf("clients: the connection ended after %v, %w", lived, errShortLived))
	}
	r.failures = 0
	r.wait(nil, ended, r.cfg.Backoff(1))
	return nil
}

// life measures how long a connection lived, and what passed over it.
type life struct {
	began  time.Time
	before chanio.ConnStats // what passed during the dial

	mu    sync.Mutex
	ended time.Time // of the last half; zero until noticed
}

func beginLife(c *chanio.Conn) *life {
	l := &life{began: time.Now(), before: c.Stats()}
	if c.Buffered() {
		l.before.BytesIn-- // the peer has sent more than the dial needed
	}
	note := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = time.Now()
	}
	c.In.OnDone(note)
	c.Out.OnDone(note)
	return l
}

// end returns the time when a released connection ended.
func (l *life) end() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.IsZero() {
		return time.Now() // just now
	}
	return l.ended
}

// useful reports whether bytes have passed in both directions since the dial.
func (l *life) useful(c *chanio.Conn) bool {
	now := c.Stats()
	return now.BytesIn > l.before.BytesIn && now.BytesOut > l.before.BytesOut
}

// errShortLived is the failure of a connection that was opened but ended too soon.
var errShortLived = errors.New("too soon to count as stable")

// failed counts a failure. It returns an error if no more attempts follow.
func (r *Reconnector) failed(err error) error { return r.failedAt(time.Now(), err) }

func (r *Reconnector) failedAt(at time.Time, err error) error {
	r.failures++
	if r.cfg.Permanent != nil && !errors.Is(err, errShortLived) && r.cfg.Permanent(err) {
		return r.end(err)
	}
	if r.cfg.MaxAttempts > 0 && r.failures >= r.cfg.MaxAttempts {
		return r.end(fmt.Errorf("clients: gave up after %d failures in a row: %w", r.failures, err))
	}
	r.wait(err, at, r.cfg.Backoff(r.failures))
	return nil
}

func (r *Reconnector) end(err error) error {
	err = deadline.Final(err) // not that of a call, even if dial repeats one of another stream
	r.board.set(ReconnectState{Phase: Ended, Failures: r.failures, Err: err})
	return err
}

// wait sets the time of the next attempt: d after ended, the end of the attempt or the connection.
func (r *Reconnector) wait(err error, ended time.Time, d time.Duration) {
	r.due = ended.Add(d)
	r.board.set(ReconnectState{Phase: Waiting, Failures: r.failures, Err: err, Due: r.due})
}

// pause waits until the next attempt is due.
func (r *Reconnector) pause(ctx context.Context) error {
	d := time.Until(r.due)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	case <-r.closed:
		return net.ErrClosed
	}
}

// attempt dials once. Close ends it.
func (r *Reconnector) attempt(ctx context.Context) (*chanio.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !r.interruptible(cancel) {
		return nil, net.ErrClosed
	}
	r.board.set(ReconnectState{Phase: Connecting, Failures: r.failures})
	c, err := notNil(r.dial(ctx))
	if err != nil {
		return nil, eof.Unexpected(err) // io.EOF would end Conns without an error
	}
	if !r.interruptible(nil) {
		c.Out.Abort(nil)
		return nil, net.ErrClosed
	}
	r.conn, r.life = c, beginLife(c)
	r.board.set(ReconnectState{Phase: Connected, Failures: r.failures})
	return c, nil
}

// interruptible registers cancel to be called by Close. It returns false if Close has been called.
func (r *Reconnector) interruptible(cancel context.CancelCauseFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel = cancel
	return !deadline.Ended(r.closed)
}

// takeBack aborts a connection that was not received.
func (r *Reconnector) takeBack(c *chanio.Conn) {
	r.conn = nil
	r.board.set(ReconnectState{Phase: Idle, Failures: r.failures})
	c.Out.Abort(nil)
}

// close is the Close hook of Conns.
func (r *Reconnector) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.closed)
	if r.cancel != nil {
		r.cancel(net.ErrClosed)
	}
	r.board.set(ReconnectState{Phase: Ended, Err: net.ErrClosed}) // unless it has ended already
	return nil
}
