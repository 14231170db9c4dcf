package httpc

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/stream"
)

// The methods below implement incoming and outgoing.

func (c *conn) read(ctx context.Context, p []byte) (int, error) { return c.body.Read(ctx, p) }

func (c *conn) piece(ctx context.Context) ([]byte, error) {
	p, err := c.body.Next(ctx)
	if err != nil {
		return nil, err
	}
	p = c.src.Clone(p)
	c.body.Discard(len(p))
	return p, nil
}

func (c *conn) peek(ctx context.Context) ([]byte, error) { return c.body.Next(ctx) }

func (c *conn) advance(n int) { c.body.Discard(n) }

func (c *conn) over() bool { return c.body.Done() }

func (c *conn) setDeadline(t time.Time) { _ = c.nc.SetReadDeadline(t) }

func (c *conn) trailers(to http.Header) http.Header { return mergeTrailers(to, c.body.Trailers()) }

func (c *conn) cut(cause error) { c.abort(cause) }

func (c *conn) lose(s *sender, cause error) {
	s.halt()
	c.t.pool.remove(c, false)
	c.abort(cause)
}

func (c *conn) drain(limit int64, within time.Duration) bool {
	_ = c.nc.SetReadDeadline(time.Now().Add(within))
	return c.body.Drain(context.Background(), limit) == nil
}

func (c *conn) write(ctx context.Context, p []byte) error { return c.writer.Write(ctx, nil, p) }

func (c *conn) finish(ctx context.Context, p []byte, trailers http.Header) error {
	var lines []byte
	for _, name := range sortedKeys(trailers) {
		for _, v := range trailers[name] {
			lines = http1.AppendField(lines, name, v)
		}
	}
	return c.writer.Finish(ctx, nil, p, lines)
}

func (c *conn) ended() bool { return deadline.Ended(c.nc.Out.Done()) }

func (c *conn) headWithin(d time.Duration) { _ = c.nc.SetReadDeadline(within(d)) }

// ownMax is the length up to which a body that arrived with its head is copied, so that it does not hold the
// connection.
const ownMax = 16 << 10

// attach sets the body of r. A body that has already arrived does not hold the connection.
func (c *conn) attach(x *exchange, s *sender, r *http.Response, reuse bool) {
	n := r.ContentLength
	switch {
	case c.body.Done():
		r.Body = http.NoBody
		c.settle(x, s, reuse)
	case n > 0 && n <= ownMax && int64(len(c.src.Buffered())) >= n:
		r.Body = newBytesBody(append(make([]byte, 0, n), c.src.Buffered()[:n]...))
		c.body.Discard(int(n))
		c.settle(x, s, reuse)
	default:
		r.Body = newBody(c, x, s, r, reuse)
	}
}

// settle releases c after the response has been read to its end.
func (c *conn) settle(x *exchange, s *sender, reuse bool) {
	sent := s.complete()
	reuse = reuse && sent && !c.hasMore()
	if !reuse {
		s.halt()
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	if reuse {
		c.tellPut(x.trace)
		c.t.pool.put(c)
		return
	}
	c.t.pool.remove(c, false)
	if sent {
		c.end()
	} else {
		c.abort(nil)
	}
	if trace := x.trace; trace != nil && trace.PutIdleConn != nil {
		trace.PutIdleConn(errNotReused)
	}
}

// hasMore reports whether more has arrived than the response. A record of TLS may hold it, where healthy does not see it.
func (c *conn) hasMore() bool {
	if c.secure != nil {
		return stream.HasArrived(c.src)
	}
	return len(c.src.Buffered()) > 0
}

// tellPut calls the PutIdleConn hook before c is released to other exchanges. If the hook panics, c is ended.
func (c *conn) tellPut(trace *httptrace.ClientTrace) {
	if trace == nil || trace.PutIdleConn == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.t.pool.remove(c, false)
			c.abort(nil)
		}
	}()
	trace.PutIdleConn(nil)
	returned = true
}

var errNotReused = errors.New("httpc: the connection is not to be used again")

// mergeTrailers adds the fields that are allowed in trailers.
func mergeTrailers(trailer http.Header, f *http1.Fields) http.Header {
	for i := range f.Len() {
		if !f.Known(i).InTrailer() {
			continue
		}
		if trailer == nil {
			trailer = http.Header{}
		}
		name := http1.Canonical(f.Name(i), f.Known(i))
		trailer[name] = append(trailer[name], string(f.Value(i)))
	}
	return trailer
}
