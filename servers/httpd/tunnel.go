package httpd

import (
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers"
)

// Tunnel accepts a CONNECT request with a status of 200 and returns what follows as a connection: with HTTP/1 the
// client's connection, with HTTP/2 the stream, also for extended CONNECT (RFC 9110 9.3.6, RFC 9113 8.5, RFC 8441). It
// sends the header of w; nothing may be written to w afterwards.
//
// The caller owns the connection, also after the handler has returned, and must close it. Over HTTP/1 In starts with
// bytes that have arrived already. When the server shuts down, In ends with [servers.ErrShutdown], unless the
// connection has an OnDrain. On other servers w must support Hijack; otherwise the error matches errors.ErrUnsupported.
func Tunnel(w http.ResponseWriter, r *http.Request) (*chanio.Conn, error) {
	if r.Method != http.MethodConnect {
		return nil, fmt.Errorf("httpd: Tunnel: the method is %s, not CONNECT", r.Method)
	}
	if s := streamOf(w); s != nil {
		return s.openTunnel(func(*chanio.Conn) {})
	}
	control := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return nil, fmt.Errorf("httpd: Tunnel: %T: %w", w, err)
	}
	nc, rw, err := control.Hijack()
	if err != nil {
		return nil, fmt.Errorf("httpd: Tunnel: %T: %w", w, err)
	}
	prefix, _ := rw.Reader.Peek(rw.Reader.Buffered())
	return chanio.NewConn(nc, &chanio.ConnConfig{Prefix: prefix}), nil
}

// streamOf returns the streamResponse below w, if there is one.
func streamOf(w http.ResponseWriter) *streamResponse {
	for {
		switch v := w.(type) {
		case *streamResponse:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// openTunnel answers 200 and returns the stream as a connection. It passes the connection to prepare before a Shutdown
// can reach it.
func (w *streamResponse) openTunnel(prepare func(*chanio.Conn)) (*chanio.Conn, error) {
	if w.tunnel != nil || w.finished || w.begun() {
		return nil, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	if err := w.send(nil); err != nil {
		return nil, err
	}
	if w.rec != nil {
		w.rec.Kind = Tunneled
	}
	if err := w.stream.Out.Flush(w.conn.io); err != nil {
		return nil, err
	}
	nc := w.conn.nc
	w.tunnel = w.stream.Conn(&chanio.ConnInfo{LocalAddr: nc.LocalAddr(), RemoteAddr: nc.RemoteAddr(), TLS: w.conn.secure})
	prepare(w.tunnel)
	w.conn.remember(w.tunnel)
	return w.tunnel, nil
}

// tunnels holds the tunnels on the streams of one connection.
type tunnels struct {
	mu  sync.Mutex
	all []*chanio.Conn
}

// endTunnels asks the tunnels to finish.
func (c *conn) endTunnels() {
	c.h2.tunnels.mu.Lock()
	all := slices.Clone(c.h2.tunnels.all)
	c.h2.tunnels.mu.Unlock()
	for _, t := range all {
		t.Drain(servers.ErrShutdown)
	}
}

// remember adds a tunnel, which is asked to finish when the server shuts down.
func (c *conn) remember(t *chanio.Conn) {
	c.h2.tunnels.mu.Lock()
	c.h2.tunnels.all = append(c.h2.tunnels.all, t)
	c.h2.tunnels.mu.Unlock()
	if c.draining.Load() {
		t.Drain(servers.ErrShutdown)
	}
}

func (c *conn) forget(t *chanio.Conn) {
	c.h2.tunnels.mu.Lock()
	defer c.h2.tunnels.mu.Unlock()
	c.h2.tunnels.all = slices.DeleteFunc(c.h2.tunnels.all, func(x *chanio.Conn) bool { return x == t })
}
