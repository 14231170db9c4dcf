package servers

import (
	"net"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// member is an open connection of a Listener.
type member struct {
	peer   net.Addr     // the peer that it is counted for
	header *ProxyHeader // of its balancer, or nil

	// Guarded by the mutex of the Listener.
	holds    hold        // reasons why a shutdown waits for it
	counts   hold        // reasons why it has a place; the hooks for its release are none
	since    time.Time   // when it was delivered
	farewell *time.Timer // asks it to finish later in a shutdown, or nil
}

// hold is a set of reasons why a connection is not over.
type hold uint8

const (
	opened  hold = 1 << iota // it has not been released
	handled                  // its handler has not returned
)

// add registers a connection before it is delivered. During a shutdown it asks the connection to finish.
func (l *Listener) add(c *chanio.Conn, m *member) {
	m.holds, m.counts, m.since = opened, opened, time.Now()
	l.mu.Lock()
	l.live[c] = m
	state, cause := l.state, l.cause
	l.mu.Unlock()
	switch state {
	case draining:
		l.tell(c)
	case aborting:
		c.Abort(cause)
	}
}

// hold registers that a handler has the connection, unless an abort came first.
func (l *Listener) hold(c *chanio.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.live[c]; m != nil {
		m.holds |= handled
		if m.counts != 0 {
			m.counts |= handled
		}
	}
}

// uncount removes a reason to have a place: the connection has been released, or its handler has returned.
func (l *Listener) uncount(c *chanio.Conn, h hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.live[c]
	if m == nil || m.counts == 0 {
		return
	}
	if m.counts &^= h; m.counts == 0 {
		l.room.leave(m.peer)
	}
}

// drop removes a reason to wait for a connection: the hooks for its release have run, or it has been ended after its
// handler.
func (l *Listener) drop(c *chanio.Conn, h hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.live[c]
	if m == nil {
		return
	}
	if m.holds &^= h; m.holds != 0 {
		return
	}
	if m.farewell != nil {
		m.farewell.Stop()
	}
	delete(l.live, c)
	l.check()
}

// tell asks a connection to finish: at once if it has sent anything or has been silent for FirstByte, otherwise after
// FirstByte.
func (l *Listener) tell(c *chanio.Conn) {
	l.mu.Lock()
	m := l.live[c]
	if m == nil || m.farewell != nil {
		l.mu.Unlock()
		return
	}
	if wait := firstByteWait(l.cfg.FirstByte, m.since); wait > 0 && c.Stats().BytesIn == 0 {
		m.farewell = time.AfterFunc(wait, func() { c.Drain(ErrShutdown) })
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	c.Drain(ErrShutdown)
}

// firstByteWait returns how long a shutdown waits for the first byte of a connection that was accepted at since.
func firstByteWait(firstByte time.Duration, since time.Time) time.Duration {
	if time.Since(since) >= firstByte {
		return 0
	}
	return firstByte
}

// check closes drained if all connections have ended and no more will come. The caller holds mu.
func (l *Listener) check() {
	if l.drained == nil || len(l.live) > 0 || l.accepting || !deadline.Ended(l.closed) {
		return
	}
	select {
	case <-l.drained:
	default:
		close(l.drained)
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

// ProxyHeader returns the PROXY protocol header of an open connection of l (see Config.ProxyFrom), or nil if it had
// none. The caller must not modify it.
func (l *Listener) ProxyHeader(c *chanio.Conn) *ProxyHeader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.live[c]; m != nil {
		return m.header
	}
	return nil
}
