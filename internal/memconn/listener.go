package memconn

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// DefaultBacklog is the number of connections that wait for an Accept unless
// told otherwise.
const DefaultBacklog = 128

// Listener hands out the far ends of connections that Dial makes. It implements
// [net.Listener]. Its methods are safe for concurrent use.
type Listener struct {
	// Capacity is the number of bytes that each direction of a connection
	// buffers, as for [Pipe]. It is set before the first Dial, if at all.
	Capacity int

	addr  Addr
	dials atomic.Uint64
	slots chan struct{} // one for each connection in the queue or about to be
	queue chan *Conn    // as large as slots, so a send with a slot never waits
	done  chan struct{} // closed by Close, with mu held

	mu sync.Mutex // orders a Dial's send before Close or after it
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a Listener whose address is name. Names need not be unique:
// there is no registry, and who has the Listener can Dial it. Up to backlog
// connections wait to be accepted, [DefaultBacklog] if backlog is not positive.
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

// Dial connects to the listener. It does not wait for Accept but for a place in
// the backlog: until there is one, ctx ends, whose cause it then returns, or the
// listener closes, when it fails with ECONNREFUSED. Once Dial has returned, ctx
// has no bearing on the Conn. The caller closes the Conn; its local address is
// the listener's name with a number.
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

// enqueue makes a connection for the slot that the caller has taken.
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

// Close makes Accept and Dial fail, blocked calls too, and aborts the
// connections that were not accepted. Those that were live on. It does not wait
// and always returns nil; calling it again does nothing.
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
