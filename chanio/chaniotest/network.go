package chaniotest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/memconn"
)

// Network is a network within the process. Its connections behave like TCP's, including half-close, back-pressure and
// reset, but use no sockets, so both sides can run in a testing/synctest bubble. The zero value is ready to use. Its
// methods may be called by any goroutine.
type Network struct {
	// Capacity is the number of unread bytes that each direction of a connection holds. A small one fills soon, so that
	// senders block. 0 means 64 KiB. Set it before the first Listen.
	Capacity int

	// Config configures the Conns of Dial. nil means the defaults.
	Config *chanio.ConnConfig

	mu        sync.Mutex
	listeners map[string]*memconn.Listener
	names     int
}

// Listen returns a listener at addr, which may be any name; "" means a name not in use. It fails with EADDRINUSE if
// addr has a listener. servers.Listen serves it; [chanio.NewConn] makes a Conn of what it accepts.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr == "" {
		n.names++
		addr = fmt.Sprintf("mem:%d", n.names)
	}
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "mem", Addr: memconn.Addr{Name: addr}, Err: syscall.EADDRINUSE}
	}
	ln := memconn.Listen(addr, 0)
	ln.Capacity = n.Capacity
	if n.listeners == nil {
		n.listeners = map[string]*memconn.Listener{}
	}
	n.listeners[addr] = ln
	return &listener{Listener: ln, network: n}, nil
}

// listener frees its address when it is closed.
type listener struct {
	*memconn.Listener
	network *Network
}

func (l *listener) Close() error {
	l.network.mu.Lock()
	addr := l.Addr().String()
	if l.network.listeners[addr] == l.Listener {
		delete(l.network.listeners, addr)
	}
	l.network.mu.Unlock()
	return l.Listener.Close()
}

// Dial connects to the listener at addr. It fails with ECONNREFUSED if there is none, and waits for a place in its
// backlog until ctx ends.
func (n *Network) Dial(ctx context.Context, addr string) (*chanio.Conn, error) {
	nc, err := n.DialContext(ctx, "mem", addr)
	if err != nil {
		return nil, err
	}
	return chanio.NewConn(nc, n.Config), nil
}

// DialContext is Dial in the form of net.Dialer.DialContext. It ignores network.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	ln := n.listeners[addr]
	n.mu.Unlock()
	if ln == nil {
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: memconn.Addr{Name: addr}, Err: syscall.ECONNREFUSED}
	}
	nc, err := ln.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return nc, nil
}

// Pipe returns two connected ends without a listener. It is like net.Pipe with a buffer of capacity bytes each way,
// half-close and reset. A capacity of 0 means 64 KiB.
func Pipe(capacity int) (near, far net.Conn) {
	return memconn.Pipe(capacity)
}
