package servers

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Shutdown ends the Listener in good order (G18). It stops accepting, and makes In of every open connection end with
// [ErrShutdown] once what has arrived has been received; Out, and the ctx of the handlers, live on, so that they can
// finish what they have begun. It returns nil when all handlers have returned and all connections, those of Conns
// included, have been released.
//
// Connections that the kernel holds in its backlog were not accepted, and it resets them.
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
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		l.abort(context.Cause(ctx))
		return context.Cause(ctx)
	}
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
	for _, c := range conns {
		c.EndIn(ErrShutdown)
	}
	return drained
}

// abort ends all connections at once, and the ctx of their handlers.
func (l *Listener) abort(cause error) {
	l.mu.Lock()
	if l.state != aborting {
		l.state, l.cause = aborting, cause
	}
	cut := l.cut
	conns := l.conns()
	l.mu.Unlock()
	cut(cause)
	for _, c := range conns {
		c.Out.Abort(cause)
		<-c.Done()
	}
}

// conns returns the open connections. The caller holds mu.
func (l *Listener) conns() []*chanio.Conn {
	conns := make([]*chanio.Conn, 0, len(l.live))
	for c := range l.live {
		conns = append(conns, c)
	}
	return conns
}

// add notes a connection that has been accepted. One that comes during a shutdown is told of it.
func (l *Listener) add(c *chanio.Conn) {
	l.mu.Lock()
	l.live[c] = 1
	state, cause := l.state, l.cause
	l.mu.Unlock()
	switch state {
	case draining:
		c.EndIn(ErrShutdown)
	case aborting:
		c.Out.Abort(cause)
	}
}

// hold notes that the connection is not over before drop has been called once more.
func (l *Listener) hold(c *chanio.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live[c] > 0 { // otherwise an abort was faster
		l.live[c]++
	}
}

// drop notes that the connection has been released, or that its handler is done with it.
func (l *Listener) drop(c *chanio.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := l.live[c]; {
	case n == 0:
		return
	case n > 1:
		l.live[c] = n - 1
		return
	}
	delete(l.live, c)
	l.leave(c.RemoteAddr())
	l.check()
}

// check tells who waits for it that all connections are over and no more will come. The caller holds mu.
func (l *Listener) check() {
	if l.drained == nil || len(l.live) > 0 || l.accepting {
		return
	}
	select {
	case <-l.drained:
	default:
		close(l.drained)
	}
}
