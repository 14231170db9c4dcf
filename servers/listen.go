package servers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Listen accepts from nl, a listener of any kind. It owns nl from then on and closes it when accepting stops. If nl is
// a [*net.TCPListener] or [*net.UnixListener], the result is like that of [ListenTCP]; for other kinds of net.Conn see
// [chanio.NewConn]. With Config.TLS, nl must deliver plain connections: pass the inner listener, not the result of
// tls.NewListener. If nl has SetDeadline, as the standard listeners do, the end of a ctx interrupts an accept;
// otherwise it takes effect between connections. Shutdown and Close always interrupt.
//
// Control, ReusePort and Mode are rejected, because they apply to a socket that is not bound yet. cfg may be nil. If
// Listen fails, the caller still owns nl.
//
// To listen on several addresses, create a Listener for each and merge their Conns with pipeline.Merge.
func Listen(nl net.Listener, cfg *Config) (*Listener, error) {
	if nl == nil {
		panic("servers: Listen: the net.Listener is nil")
	}
	c, err := cfg.complete()
	switch {
	case err != nil:
		return nil, err
	case c.Control != nil || c.ReusePort:
		return nil, errors.New("servers: listen: the socket is bound already: it is too late for Control and ReusePort")
	case c.Mode != 0:
		return nil, errOnlyUnix
	}
	l, err := newListener(c)
	if err != nil {
		return nil, err
	}
	l.options.Existing = true
	l.listenOn(nl)
	return l, nil
}

// ListenFile is [Listen] on a listening socket given as a file, such as one that [Inherited] returns. TCP and Unix
// sockets are supported. On success ListenFile owns f and closes it. It does not remove the file of a Unix socket,
// which belongs to the process that created it.
func ListenFile(f *os.File, cfg *Config) (*Listener, error) {
	if err := checkListening(f); err != nil {
		return nil, fmt.Errorf("servers: listen on %s: %w", f.Name(), err)
	}
	nl, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("servers: listen on %s: %w", f.Name(), err)
	}
	l, err := Listen(nl, cfg)
	if err != nil {
		_ = nl.Close()
		return nil, err
	}
	_ = f.Close()
	return l, nil
}

// File returns a second descriptor of the listening socket, which the caller must close. Another process can use it to
// continue accepting, so that connections in the kernel's backlog are not lost when this Listener is closed. Afterwards
// the Listener no longer removes the file of a Unix socket. [HandOver] does all of that. File fails with
// errors.ErrUnsupported if the Listener does not use a socket.
func (l *Listener) File() (*os.File, error) {
	f, err := l.descriptor()
	if err == nil {
		l.leaveFile()
	}
	return f, err
}

// leaveFile keeps the file of a Unix socket when the Listener closes, because another process uses it.
func (l *Listener) leaveFile() {
	if nl, ok := l.acceptor.nl.(interface{ leaveFile() }); ok {
		nl.leaveFile()
	}
}

// descriptor returns a second descriptor of the listening socket.
func (l *Listener) descriptor() (f *os.File, err error) {
	switch nl := l.acceptor.nl.(type) {
	case syscall.Conn:
		f, err = duplicate(nl, l.Addr().String())
	case interface{ File() (*os.File, error) }:
		f, err = nl.File()
	default:
		return nil, fmt.Errorf("servers: %s has no descriptor: %w", l.Addr(), errors.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("servers: %w", err)
	}
	return f, nil
}
