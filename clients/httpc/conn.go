package httpc

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/socket"
)

// conn is an HTTP/1 connection, which carries one exchange at a time. Between exchanges it belongs to the pool and is not
// read.
type conn struct {
	t    *Transport
	nc   *chanio.Conn
	up   chanio.Upstream[[]byte]
	src  chanio.ByteSource
	sink chanio.ByteSink

	head   http1.ResponseHead
	body   http1.Body
	writer http1.Writer
	names  []string // field names of a request
	limits http1.Limits
	peeker *socket.Peeker // of an idle connection; made on first use

	secure *tls.ConnectionState
	proxy  string // Proxy-Authorization of plain requests
	used   bool   // has served an earlier exchange

	hint time.Duration // how long the server keeps c idle; 0 if unknown

	// Guarded by the lock of the pool, or owned by the exchange.
	group             *group
	born, back, until time.Time
}

func newConn(t *Transport, nc *chanio.Conn, secure *tls.ConnectionState, x *exchange) *conn {
	c := &conn{t: t, nc: nc, up: nc.In.Claim("httpc.Client"), secure: secure}
	c.src, c.sink = c.up.Bytes(), chanio.BytesTo(nc.Out)
	if x.forward {
		c.proxy = proxyAuthorization(x.proxy)
	}
	return c
}

// abort ends c at once. A nil c does nothing.
func (c *conn) abort(cause error) {
	if c != nil {
		c.nc.Abort(cause)
	}
}

// endTime limits how long end waits for a transport that cannot end at once, such as TLS with a full send buffer.
const endTime = 100 * time.Millisecond

// end ends c between two exchanges. Unlike after abort, the server still receives what it has not read yet: it may have
// answered before it has read a body. A nil c does nothing.
func (c *conn) end() {
	if c == nil {
		return
	}
	timer := time.AfterFunc(endTime, func() { c.abort(nil) })
	_ = c.nc.Out.Close()
	timer.Stop()
	c.abort(nil) // which resets nothing after a Close
}

// isOld reports whether c has expired.
func (c *conn) isOld(now time.Time) bool {
	at := c.expiry(c.t.cfg.IdleTimeout)
	return !at.IsZero() && !now.Before(at)
}

// expiry returns when c expires if it stays idle; zero means never.
func (c *conn) expiry(idle time.Duration) time.Time {
	at := c.until
	if c.hint > 0 && (idle <= 0 || c.hint < idle) {
		idle = c.hint
	}
	if idle > 0 {
		if end := c.back.Add(idle); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// takeHint records how long the server keeps an idle connection according to its Keep-Alive field, less up to a second.
// It reports whether c may be kept at all.
func (c *conn) takeHint(keepAlive []string) bool {
	c.hint = 0
	for _, field := range keepAlive {
		for param := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(param, "=")
			seconds, err := strconv.ParseUint(strings.Trim(value, " \t\""), 10, 31)
			if err != nil || !strings.EqualFold(strings.Trim(name, " \t"), "timeout") {
				continue
			}
			if seconds == 0 {
				return false
			}
			d := time.Duration(seconds) * time.Second
			c.hint = d - min(time.Second, d/2)
		}
	}
	return true
}

// glance is how long healthy waits for bytes that have already arrived.
const glance = time.Millisecond

// healthy reports whether an idle c may serve another request: the server has neither closed it nor sent anything.
func (c *conn) healthy() bool {
	select {
	case <-c.nc.In.Done():
		return false
	case <-c.nc.Out.Done():
		return false
	default:
	}
	if len(c.src.Buffered()) > 0 {
		return false
	}
	if sc, ok := c.nc.NetConn().(syscall.Conn); ok {
		if c.peeker == nil {
			c.peeker = socket.NewPeeker(sc)
		}
		switch pending, err := c.peeker.Peek(); {
		case err != nil, pending && c.secure == nil:
			return false
		case !pending:
			return true
		}
	}
	// The bytes may be a TLS message without data, such as a session ticket, or the end of the stream.
	_ = c.nc.SetReadDeadline(time.Now().Add(glance))
	err := c.src.Fill(context.Background(), 1)
	_ = c.nc.SetReadDeadline(time.Time{})
	return chanio.Resumable(context.Background(), err) && errors.Is(err, os.ErrDeadlineExceeded)
}

// writeHead writes the head of x, together with a small body in memory. It reports whether something may have been
// written.
func (c *conn) writeHead(x *exchange) (sent bool, err error) {
	if c.ended() {
		return false, c.refusal()
	}
	p := c.appendHead(c.sink.Begin(), x)
	c.writer.Reset(c.sink, x.framing)
	if trace := x.trace; trace != nil && trace.WroteHeaders != nil {
		defer trace.WroteHeaders()
	}
	if !x.hasBody() {
		err = c.writer.Finish(x.ctx, p, nil, nil)
		return true, err
	}
	if piece, ok := x.smallBody(); ok && !x.expects {
		if piece, err = x.readSmall(piece); err != nil {
			x.unfit = true
			return false, err
		}
		return true, c.writer.Finish(x.ctx, p, piece, nil)
	}
	return true, c.writer.Write(x.ctx, p, nil)
}

// refusal returns the error of writing to c.
func (c *conn) refusal() error {
	if err := c.nc.Cause(); err != nil {
		return err
	}
	return errEnded
}

var errEnded = errors.New("httpc: the server has ended the connection")

// why converts an error of the connection: it returns the cause of x's ctx if that has ended, or a *TimeoutError.
func (c *conn) why(x *exchange, err error) error {
	if x.ctx.Err() != nil {
		return chanio.Cause(x.ctx)
	}
	if chanio.Resumable(x.ctx, err) && errors.Is(err, os.ErrDeadlineExceeded) {
		return &TimeoutError{Phase: PhaseHead, After: c.t.cfg.HeadTimeout}
	}
	return err
}

// gotConn calls the GotConn hook of a trace.
func (c *conn) gotConn(trace *httptrace.ClientTrace) {
	if trace == nil || trace.GotConn == nil {
		return
	}
	info := httptrace.GotConnInfo{Conn: c.nc.NetConn(), Reused: c.used, WasIdle: c.used}
	if c.used {
		info.IdleTime = time.Since(c.back)
	}
	trace.GotConn(info)
}
