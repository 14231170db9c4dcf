package memconn

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// DefaultBacklog is the default number of connections that can wait for an Accept.
const DefaultBacklog = 128

// Listener accepts the connections that Dial makes. It implements [net.Listener]. Its methods are safe for concurrent
// use.
type Listener struct {
	// Capacity is the number of bytes that each direction of a connection buffers, as for [Pipe]. It must be set before
	// the first Dial.
	Capacity int

	addr  Addr
	dials atomic.Uint64
	slots chan struct{} // one for each connection in the queue or about to be queued
	queue chan *Conn    // as large as slots, so a send with a slot never waits
	done  chan struct{} // closed by Close, with mu held

	mu sync.Mutex // orders a Dial's send before Close or after it
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a Listener whose address is name. Names need not be unique, because there is no registry. Up to
// backlog connections wait to be accepted, [DefaultBacklog] if backlog is not positive.
func Listen(name string, backlog int) *Listener {
	if backlog <= 0 {
		backlog = DefaultBacklog
	}
	return &Listener{
		addr:  Addr{name},
		slots: make(chan struct{}, backlog),
		queue: make(chan *Conn, backlog),
		done:  make(chan struct{}),
	}
}

// Dial connects to the listener. It does not wait for Accept, but for a place in the backlog. It returns ctx's cause if
// ctx ends first, and fails with ECONNREFUSED if the listener closes. After Dial has returned, ctx has no effect on the
// Conn. The caller closes the Conn; its local address is the listener's name with a number.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, l.fail("dial", context.Cause(ctx))
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, l.fail("dial", context.Cause(ctx))
	case <-l.done:
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	}
	return l.enqueue()
}

// enqueue makes a connection for the slot that the caller has reserved.
func (l *Listener) enqueue() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed() {
		return nil, l.fail("dial", syscall.ECONNREFUSED)
	}
	name := l.addr.Name + "#" + strconv.FormatUint(l.dials.Add(1), 10)
	near, far := PipeAddrs(l.Capacity, Addr{name}, l.addr)
	l.queue <- far
	return near, nil
}

// Accept waits for the next connection, a [*Conn] that the caller closes. After
// Close it fails with net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	if l.closed() {
		return nil, l.fail("accept", net.ErrClosed)
	}
	select {
	case c := <-l.queue:
		<-l.slots
		return c, nil
	case <-l.done:
		return nil, l.fail("accept", net.ErrClosed)
	}
}

// Close makes Accept and Dial fail, including blocked calls, and aborts the connections that were not accepted.
// Accepted ones continue. It does not wait and always returns nil; calling it again does nothing.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed() {
		return nil
	}
	close(l.done)
	for {
		select {
		case c := <-l.queue:
			c.Abort()
		default:
			return nil
		}
	}
}

// Addr returns the listener's address, an [Addr].
func (l *Listener) Addr() net.Addr { return l.addr }

func (l *Listener) closed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}
