package servers

import (
	"context"
	"net"

	"github.com/weir-go/weir/internal/socket"
)

// ListenTCP listens on addr, in the form host:port. Without a host it listens on all interfaces; with port 0 it uses a
// free port, which [Listener.Addr] reports. cfg may be nil. Connections wait in the kernel's backlog until
// [Listener.Serve] or a receiver of [Listener.Conns] accepts them. The Listener itself starts no goroutine. End it with
// Shutdown, Close, or the ctx of Serve.
//
// The error wraps a [*net.OpError]. For common mistakes its text suggests a remedy.
func ListenTCP(addr string, cfg *Config) (*Listener, error) {
	c, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if c.Mode != 0 {
		return nil, errOnlyUnix
	}
	l, err := newListener(c)
	if err != nil {
		return nil, err
	}
	if addr == "" {
		err := &net.OpError{Op: "listen", Net: "tcp", Err: &net.AddrError{Err: "missing address"}}
		return nil, socket.Explain("servers", err)
	}
	nl, err := c.socket().ListenConfig().Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, socket.Explain("servers", err)
	}
	l.listenOn(nl)
	return l, nil
}
