package servers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Shutdown ends the Listener in good order. It stops accepting, and asks every open connection to finish
// by [chanio.Conn.Drain]: In of one whose protocol has no word for that ends with [ErrShutdown] once what has arrived has
// been received; Out, and the ctx of the handlers, live on, so that they can
// finish what they have begun. It returns nil when all handlers have returned and all connections, those of Conns
// included, have been released. If that takes longer than a second, one line of the Logger says what is waited for.
//
// Nothing that has been accepted is lost: a connection in its TLS handshake or PROXY header finishes that, and is handed
// out and served. Only peers that stay silent are not waited for, beyond Config.FirstByte. Connections that the kernel
// holds in its backlog were not accepted, and it resets them, unless [HandOver] has given the socket to another process.
//
// If ctx ends first, the ctx of the handlers is cancelled with ctx's cause, the connections that are left are aborted
// with it, and Shutdown returns it. It then does not wait for handlers that heed neither; Serve does.
//
// Shutdown may be called several times and at once; each call waits.
func (l *Listener) Shutdown(ctx context.Context) error {
	_ = l.stop()
	drained := l.drain()
	select {
	case <-drained:
		return nil
	default:
	}
	defer l.sayWhatIsLeft("shutdown")()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		l.abort(chanio.Cause(ctx))
		return chanio.Cause(ctx)
	}
}

// sayAfter is how long a shutdown may take in silence.
const sayAfter = time.Second

// sayWhatIsLeft logs one line if a shutdown takes long: what is being waited for. The returned function calls that off.
func (l *Listener) sayWhatIsLeft(what string) (callOff func()) {
	return after(sayAfter, func() { l.log(slog.LevelInfo, "servers: "+what+" waits", l.whatIsLeft()...) })
}

// after calls f later. The returned function calls that off, or waits for f if it is too late for that.
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

// whatIsLeft counts what a shutdown waits for, and names the peer that has been there for the longest time.
func (l *Listener) whatIsLeft() []slog.Attr {
	pending := 0
	if l.handshakes != nil {
		pending = l.handshakes.crowd.count()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	handlers, closing := 0, 0
	var oldest *chanio.Conn
	for c, m := range l.live {
		if m.holds&handled != 0 {
			handlers++
		} else {
			closing++
		}
		if oldest == nil || m.since.Before(l.live[oldest].since) {
			oldest = c
		}
	}
	attrs := []slog.Attr{
		slog.String("addr", l.addr.String()), slog.Int("handlers", handlers),
		slog.Int("other connections", closing), slog.Int("handshakes", pending),
	}
	if oldest != nil {
		attrs = append(attrs, slog.String("oldest", text(oldest.RemoteAddr())))
	}
	return attrs
}

// drain tells all connections to finish. The returned channel is closed when they have.
func (l *Listener) drain() <-chan struct{} {
	l.mu.Lock()
	if l.state != aborting {
		l.state = draining
	}
	if l.drained == nil {
		l.drained = make(chan struct{})
	}
	drained := l.drained
	l.check()
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

// abortCause returns why all connections are being aborted, or nil if they are not.
func (l *Listener) abortCause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// abort ends all connections at once, and the ctx of their handlers. It returns when they have been released.
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
	var all sync.WaitGroup
	for _, c := range conns {
		all.Go(func() { // one may be slow, if its net.Conn is somebody's own
			c.Abort(cause)
			<-c.Done()
		})
	}
	all.Wait()
}
