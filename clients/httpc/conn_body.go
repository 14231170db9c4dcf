package httpc

import (
	"context"
	"net/http"
	"time"

	"github.com/weir-go/weir/internal/http1"
)

// What follows makes a conn the way of the bodies of its exchange: incoming and outgoing.

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

func (c *conn) ended() bool {
	select {
	case <-c.nc.Out.Done():
		return true
	default:
		return false
	}
}

func (c *conn) headWithin(d time.Duration) { _ = c.nc.SetReadDeadline(within(d)) }
