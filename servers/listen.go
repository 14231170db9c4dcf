package servers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Listen accepts from nl, a listener of any kind, which it owns from then on: it is closed when accepting stops. It is
// otherwise like [ListenTCP], and so are the connections if nl is a *net.TCPListener or a *net.UnixListener; what
// [chanio.NewConn] says about other kinds of net.Conn holds for theirs. With Config.TLS nl hands out connections without
// TLS: not what tls.NewListener returns, but what is inside. ctx interrupts accepting if nl has SetDeadline, as those
// have, and applies between connections otherwise; Shutdown and Close interrupt it in any case.
//
// Control and ReusePort are refused, because they are about a socket that is not bound yet, and so is Mode. cfg may be
// nil. When Listen fails, nl is still the caller's.
//
// Listen is for listeners that come from elsewhere, and for several addresses: each has its Listener then, and
// pipeline.Merge makes one stream of their Conns.
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

// ListenFile is [Listen] on a socket that is given as a file, such as one that [Inherited] returns. The socket listens
// already; TCP and Unix sockets may. ListenFile owns f from then on and closes it, unless it fails. The file of a Unix
// socket is not removed at the end: it belongs to its maker.
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

// File returns a second descriptor of the listening socket, which the caller closes, for another process to go on
// accepting from; what waits in the kernel's backlog is then not lost when this Listener is closed. From then on the
// file of a Unix socket is left where it is. [HandOver] does all of that. It fails with errors.ErrUnsupported if the
// Listener is not over a socket.
func (l *Listener) File() (*os.File, error) {
	f, err := l.descriptor()
	if err == nil {
		l.leaveFile()
	}
	return f, err
}

// leaveFile leaves the file of a Unix socket to another process.
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
