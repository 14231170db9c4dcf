package httpc

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
)

var errSwitch = errors.New("httpc: the server switches to a protocol that was not asked for")

// switchOver makes the connection the body of a 101 response.
func (c *conn) switchOver(x *exchange, s *sender, r *http.Response) error {
	if len(x.upgrade) == 0 || !s.complete() {
		return errSwitch
	}
	chosen := strings.Split(strings.Join(r.Header["Upgrade"], ","), ",")
	for _, proto := range chosen {
		if !slices.Contains(x.upgrade, strings.ToLower(strings.Trim(proto, " \t"))) {
			return errSwitch
		}
	}
	return c.handOver(x, s, r)
}

// handOver makes the connection the body of r, which the receiver must close. The bytes that arrived after the head are
// read from it first.
func (c *conn) handOver(_ *exchange, _ *sender, r *http.Response) error {
	_ = c.nc.SetReadDeadline(time.Time{})
	c.t.pool.remove(c, false)
	c.up.Release()
	r.Body = &tunnel{Conn: chanio.AsNetConn(c.nc)}
	return nil
}

// tunnel is a body that is read and written.
type tunnel struct{ net.Conn }

// CloseWrite ends the stream to the server. The other direction stays open.
func (t *tunnel) CloseWrite() error {
	return t.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// conn returns the connection, receiving its input again.
func (t *tunnel) conn() *chanio.Conn { return chanio.NewConn(t.Conn, nil) }
