package servers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// Shutdown ends the Listener gracefully. It stops accepting and asks every open connection to finish, by
// [chanio.Conn.Drain]. If the protocol has no message for that, In ends with [ErrShutdown] after the data that has
// arrived; Out and the handlers' contexts stay usable, so handlers can finish their work. Shutdown returns nil when all
// handlers have returned and all connections, including those received from Conns, have been released. If that takes
// longer than a second, it logs what it is waiting for.
//
// No accepted connection is lost: one in its TLS handshake or PROXY header completes that and is served. Only silent
// peers are dropped, after Config.FirstByte. The kernel resets connections in its backlog, which were never accepted,
// unless [HandOver] has passed the socket to another process.
//
// If ctx ends first, Shutdown cancels the handlers' contexts with ctx's cause, aborts the remaining connections with
// it, and returns it. It does not wait for handlers that ignore both, and not for long for a foreign net.Listener or
// net.Conn whose Close blocks; Serve waits for them.
//
// Shutdown may be called several times and concurrently; each call waits.
func (l *Listener) Shutdown(ctx context.Context) error {
	stopped := l.beginStop() // it may wait for connections that are asked to finish
	drained := l.drain()
	defer l.sayWhatIsLeft("shutdown")()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		select {
		case <-stopped:
		case <-time.After(foreignClose):
		}
		if deadline.Ended(drained) { // if several cases are ready, select picks one at random
			return nil
		}
		l.abort(chanio.Cause(ctx))
		return chanio.Cause(ctx)
	}
}

// foreignClose is how long the Close of a foreign net.Listener or net.Conn is waited for, beyond its Linger.
const foreignClose = time.Second

// sayAfter is how long a shutdown waits before it logs what it is waiting for.
const sayAfter = time.Second

// sayWhatIsLeft logs once what a shutdown is waiting for, if the shutdown takes long. callOff cancels the log line.
func (l *Listener) sayWhatIsLeft(what string) (callOff func()) {
	return after(sayAfter, func() { l.log(slog.LevelInfo, "servers: "+what+" waits", l.whatIsLeft()...) })
}

// after calls f after d. callOff cancels the call, or waits for f if it has started.
func after(d time.Duration, f func()) (callOff func()) {
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() {
		defer close(done)
		f()
	})
	return func() {
		if !timer.Stop() {
			<-done
		}
	}
}

// whatIsLeft returns the number of connections that a shutdown waits for, and the peer that has been connected longest.
func (l *Listener) whatIsLeft() []slog.Attr {
	pending := 0
	if l.handshakes != nil {
		pending = l.handshakes.crowd.count()
	}
	handlers, others, oldest := l.count()
	attrs := []slog.Attr{
		slog.String("addr", l.addr.String()), slog.Int("handlers", handlers),
		slog.Int("other connections", others), slog.Int("handshakes", pending),
	}
	if oldest != nil {
		attrs = append(attrs, slog.String("oldest", text(oldest.RemoteAddr())))
	}
	return attrs
}

// count counts the open connections with and without a handler. It returns the one that has been open longest, or nil.
func (l *Listener) count() (handlers, others int, oldest *chanio.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, m := range l.live {
		if m.holds&handled != 0 {
			handlers++
		} else {
			others++
		}
		if oldest == nil || m.since.Before(l.live[oldest].since) {
			oldest = c
		}
	}
	return handlers, others, oldest
}

// drain asks all connections to finish. The returned channel is closed when they have finished.
func (l *Listener) drain() <-chan struct{} {
	l.mu.Lock()
	if l.state != aborting {
		l.state = draining
	}
	drained := l.emptyLocked()
	conns := l.conns()
	l.mu.Unlock()
	if l.handshakes != nil {
		l.handshakes.crowd.drain()
	}
	for _, c := range conns {
		l.tell(c)
	}
	return drained
}

// emptyLocked returns a channel that is closed when all connections have ended and no more will come.
func (l *Listener) emptyLocked() <-chan struct{} {
	if l.drained == nil {
		l.drained = make(chan struct{})
	}
	l.check()
	return l.drained
}

// awaitEmpty waits until all connections have ended, also those that no handler has received.
func (l *Listener) awaitEmpty() {
	l.mu.Lock()
	empty := l.emptyLocked()
	l.mu.Unlock()
	<-empty
}

// abortCause returns why all connections are being aborted, or nil if they are not.
func (l *Listener) abortCause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// abort ends all connections and cancels the handlers' contexts. It returns when the connections have been released, or
// after foreignClose if the Close of a foreign net.Conn blocks.
func (l *Listener) abort(cause error) {
	l.mu.Lock()
	if l.state != aborting {
		l.state, l.cause = aborting, cause
	}
	cut := l.cut
	conns := l.conns()
	l.mu.Unlock()
	cut(cause)
	if l.handshakes != nil {
		l.handshakes.cancel(cause)
	}
	bound, cancel := context.WithTimeout(context.Background(), foreignClose)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() { // a foreign net.Conn may be slow
			c.Abort(cause)
			select {
			case <-c.Done():
			case <-bound.Done():
			}
		})
	}
	all.Wait()
}
