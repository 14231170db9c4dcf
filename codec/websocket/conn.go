package websocket

import (
	"context"
	"errors"
	"net"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// Conn is a WebSocket: a Duplex of messages over a stream of bytes. Its halves have some special behavior:
//
//   - In ends with io.EOF when the peer has closed with 1000, 1001 or without a code, and with a [*CloseError]
//     otherwise. Closing In drops later messages; pings are still answered.
//   - Out.Close sends what was accepted, then a Close frame with 1000. In yields what the peer still sends, up to its
//     own Close frame. Out.Abort with a *CloseError sends its code; see [Conn.Abort].
//   - A message that Out rejects (text that is not UTF-8, an unknown kind) leaves Out usable.
//   - When the peer has closed with 1000, 1001 or without a code, Out still accepts replies to messages received
//     before: until it is closed, or nothing has been received or sent for a second, nothing received for CloseTimeout,
//     or nothing sent for half of it. Then it ends as if closed, after everything it accepted. It ends soon if nobody
//     receives from In, or the peer closed with another code.
//
// Pings are answered while nobody receives: a quarter of a second after the last receive a goroutine starts to read
// ahead, up to 64 KiB or 16 messages. It ends when somebody receives; a TryRecv that finds nothing does not count. A
// consumer that never waits gets no message larger than what is read ahead.
type Conn struct {
	chanio.Duplex[Message, Message]

	conn *chanio.Conn
	cfg  settings
	up   chanio.Upstream[[]byte]

	inEnd   chanio.End
	w       writer
	who     turn
	rd      reader
	heard   atomic.Int64            // when the last byte came
	signals atomic.Pointer[signals] // made on demand

	handshake packed

	mu      sync.Mutex
	timer   *time.Timer
	probe   *probe    // sent to learn whether the peer is alive; nil: none
	bye     *farewell // made when the closing begins
	detach  func() bool
	undrain func() bool

	skips  atomic.Bool // the rest of a message in pieces is to be dropped
	full   bool        // nothing more is read ahead
	inOver bool        // In was closed
	ended  bool        // the connection below is about to be released
	merge  bool        // the connection has no deadlines, so a Recv is interrupted by its ctx; set by NewConn
}

// NewConn returns a WebSocket over conn, whose handshake is complete; it owns conn from then on. cfg may be nil. When a
// server asks conn to finish ([chanio.Conn.Drain]), it is closed with 1001.
func NewConn(conn *chanio.Conn, cfg *Config) *Conn {
	c := &Conn{conn: conn, cfg: cfg.settings()}
	if cfg != nil {
		c.handshake = pack(cfg.Handshake)
	}
	c.w.cfg, c.rd.conn = &c.cfg, c
	if c.cfg.Deflate != nil {
		c.w.memory = new(memory)
	}
	c.up = conn.In.Claim("websocket.Conn")
	c.rd.src, c.w.low = c.up.Bytes(), below{chanio.BytesTo(conn.Out)}
	c.merge = conn.SetReadDeadline(time.Time{}) != nil
	low := conn.Out.End()
	c.w.end.Linger, c.w.end.Progress, c.w.end.Released = low.Linger, low.Progress, conn.Done()
	c.inEnd.Released = conn.Done()
	c.Released = conn.Done()
	c.In = chanio.NewSource(chanio.SourceHooks[Message]{
		Next: c.next(), TryNext: c.tryNext, AtHand: c.atHand, Lend: c.lend, Unlend: c.unlend, Await: c.await,
		Close: c.closeIn, End: &c.inEnd,
		Describe: func() chanio.Description { return chanio.Description{Kind: "websocket.Conn"} },
	})
	c.Out = chanio.NewSink(chanio.SinkHooks[Message]{
		Send: c.w.send, TrySend: c.w.trySend, SendAll: c.w.sendAll, Consumes: true, Flush: conn.Out.Flush, Close: c.closeOut,
		Abort: c.abort, Cork: conn.Out.Cork, End: &c.w.end,
		Describe: func() chanio.Description { return chanio.Description{Kind: "websocket.Conn"} },
	})
	c.rd.budget, c.rd.left = unbounded, noFrame
	c.hear()
	c.mu.Lock()
	c.timer = time.AfterFunc(c.tick(), c.timed) // before the functions that use it can be called
	c.mu.Unlock()
	c.undrain = conn.OnDrain(func(error) { c.guard(c.goAway) })
	if cfg != nil && cfg.Context != nil {
		ctx := cfg.Context
		c.detach = afterFunc(ctx, func() { c.guard(func() { c.contextEnded(ctx) }) })
	}
	conn.Out.OnDone(c.lowEnded)
	return c
}

// Subprotocol returns the negotiated subprotocol, or "".
func (c *Conn) Subprotocol() string { return c.cfg.Subprotocol }

// Handshake returns the header of the peer's handshake: of the request on a server, of the response on a client. Each
// call returns a copy, nil without a handshake.
func (c *Conn) Handshake() textproto.MIMEHeader { return c.handshake.header() }

// Compressed reports whether permessage-deflate (RFC 7692) is in use.
func (c *Conn) Compressed() bool { return c.cfg.Deflate != nil }

// Client reports whether this side is the client.
func (c *Conn) Client() bool { return c.cfg.Client }

// Below returns the underlying connection, for its addresses and TLS state. Its streams belong to c.
func (c *Conn) Below() *chanio.Conn { return c.conn }

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Done returns a channel that is closed when the underlying connection has been released.
func (c *Conn) Done() <-chan struct{} { return c.conn.Done() }

// CloseStatus returns the code and reason of the peer's Close frame, and whether it has arrived. A Close frame without
// a code has NoStatus.
func (c *Conn) CloseStatus() (code Code, reason string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bye == nil || c.bye.status == nil {
		return 0, "", false
	}
	return c.bye.status.Code, c.bye.status.Reason, true
}

// Detach lets the connection outlive the context of its [Config], such as that of the request it was upgraded from. It
// reports whether the context had not ended. Over HTTP/2 the connection still ends with its request.
func (c *Conn) Detach() bool { return c.detach == nil || c.detach() }

// contextEnded ends the connection because ctx, of its Config, has ended.
func (c *Conn) contextEnded(ctx context.Context) {
	if err := c.conn.Out.Err(); err != nil && !errors.Is(err, net.ErrClosed) { // the context has ended because of it
		c.Abort(abnormal(err))
		return
	}
	code, reason := NormalClosure, ""
	if e, ok := context.Cause(ctx).(*CloseError); ok && e.Code.sendable() {
		code, reason = e.Code, short(e.Reason)
	}
	_ = c.CloseWith(code, reason) // there is nobody to tell
}

// now is the clock of all connections: a time.Time would take 16 bytes more. It is never 0.
func now() time.Duration { return time.Since(epoch) }

var epoch = time.Now().Add(-1e18) // 30 years ago: the clock of a testing/synctest bubble may be behind

// hear notes that bytes have come.
func (c *Conn) hear() { c.heard.Store(int64(now())) }

// afterFunc is context.AfterFunc, without the context which that makes if ctx has the method itself.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if ctx, ok := ctx.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok {
		return ctx.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
