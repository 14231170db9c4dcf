package httpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/afresh"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/servers"
)

// conn is a connection. With HTTP/1 its goroutine reads a request, calls the handler, and repeats.
type conn struct {
	*serving
	*lasting
	nc   *chanio.Conn
	up   chanio.Upstream[[]byte]
	src  chanio.ByteSource
	sink chanio.ByteSink

	*parsing // nil while the connection waits for a request, and after a hijack
	watch    watch

	secure   *tls.ConnectionState
	current  atomic.Pointer[requestContext] // the request in progress
	state    atomic.Int32                   // isIdle, isBusy or isTold
	idling   idling
	draining atomic.Bool
	telling  sync.Mutex // held while the state becomes isTold
	served   int64
	hijacked bool
	taken    *takeover                 // if it is hijacked
	deadline atomic.Pointer[time.Time] // for reading, set by the handler
	undrain  func() bool               // unregisters drain

	h2 *streams // if the connection speaks HTTP/2
}

// takeover is what remains of the request that has hijacked a connection.
type takeover struct {
	line requestLine                               // for the log
	next func(context.Context, *chanio.Conn) error // takes the connection over when the handler has returned
	rec  *accessRecord                             // if there are Hooks
}

// serving is what the connections of one Serve share.
type serving struct {
	srv   *Server
	shown *http.Server    // passed to handlers
	base  context.Context // of Config.BaseContext: its end ends the contexts of requests
	io    context.Context // bounds reading and writing: the end of the connection ends its calls
}

// requestLine is what the log contains of a request.
type requestLine struct{ method, target string }

func lineOf(r *http.Request) requestLine { return requestLine{r.Method, r.RequestURI} }

// newConn returns a conn for nc. ctx is the context of the listener's handler.
func newConn(s *serving, ctx context.Context, nc *chanio.Conn) *conn {
	c := &conn{serving: s, nc: nc, lasting: &lasting{server: s.srv, remote: nc.RemoteAddr().String()}, secure: nc.TLS()}
	if s.base.Done() != nil { // otherwise an idle connection watches no context
		both, cancel := context.WithCancelCause(s.base)
		context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		ctx = both
	}
	c.ctx = &connContext{ctx, s, nc.LocalAddr()} // a WebSocket keeps it, and nothing else of c
	c.conn.Store(c)
	if f := s.srv.cfg.ConnContext; f != nil {
		c.ctx = f(c.ctx, nc.NetConn())
	}
	c.up = nc.In.Claim("httpd.Server")
	c.src, c.sink = c.up.Bytes(), chanio.BytesTo(nc.Out)
	return c
}

// run serves requests until the connection should end. The caller closes it gracefully.
func (c *conn) run() error {
	c.undrain = c.nc.OnDrain(c.drain)
	defer func() { c.undrain() }()
	defer c.lasting.end()
	defer c.srv.idlers.remove(c)
	defer c.endTaken()
	if !c.shakeHands() {
		return nil
	}
	switch is, ok := c.isHTTP2(); {
	case !ok:
		return nil
	case is:
		return c.runHTTP2()
	case !c.srv.protocols.HTTP1():
		c.refuseHead(http.StatusHTTPVersionNotSupported, errNoHTTP1)
		return nil
	}
	for c.await() && c.readHead() && c.serve() {
	}
	switch {
	case c.taken == nil:
	case c.taken.next != nil:
		return &afresh.Handler{Handle: c.taken.next}
	default:
		<-c.nc.Done()
	}
	return nil
}

// shakeHands completes the handshake of a [*tls.Conn] from a listener such as that of tls.NewListener, which the first
// Read would do otherwise, too late for ALPN. It reports whether that succeeded within HeadTimeout.
func (c *conn) shakeHands() bool {
	nc, ok := c.nc.NetConn().(interface{ HandshakeContext(context.Context) error })
	if !ok || c.secure == nil || c.secure.HandshakeComplete {
		return true
	}
	ctx, cancel := context.WithCancel(c.io)
	defer cancel()
	defer c.nc.OnDrain(func(error) { cancel() })()
	if d := c.srv.cfg.HeadTimeout; d > 0 {
		defer time.AfterFunc(d, cancel).Stop()
	}
	if nc.HandshakeContext(ctx) != nil {
		return false
	}
	c.secure = c.nc.TLS()
	return true
}

// readHead reads the head of a request. It answers an invalid one and returns false.
func (c *conn) readHead() bool {
	if c.parsing == nil {
		c.parsing = parsings.Get()
	}
	c.head.Reset(&c.srv.limits)
	whole, err := c.head.Parse(c.src.Buffered())
	if err == nil && !whole {
		if c.served > 0 {
			_ = c.setReadDeadline(deadline.In(c.srv.cfg.HeadTimeout))
		}
		err = c.head.Read(c.io, c.src, &c.srv.limits)
	}
	if err == nil {
		c.served++
		return true
	}
	var broken *http1.Error // declared here because it escapes to the heap
	switch {
	case errors.As(err, &broken):
		c.refuseHead(broken.Status, err)
	case len(bytes.Trim(c.src.Buffered(), "\r\n")) == 0: // empty lines before a request are not its beginning
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.refuseHead(http.StatusRequestTimeout, err)
	default: // the client disconnected within the head
		c.newRecord(&origin{arrived: time.Now()}).refused(0, err)
	}
	return false
}

// endTaken calls the hooks when a hijacked connection ends.
func (c *conn) endTaken() {
	if c.taken != nil && c.taken.rec != nil {
		c.taken.rec.closed()
	}
}

// serve serves the request whose head has been read, and reports whether the connection continues.
func (c *conn) serve() (goesOn bool) {
	if c.srv.native != nil {
		return c.serveNative()
	}
	r, x := c.newRequest(c.origin())
	w := new(response)
	w.keepAlive, w.http11 = c.mayGoOn(), c.head.Minor > 0
	w.conn, w.req, w.via, w.length, w.buf, w.rec = c, r, w, -1, &c.room, c.newRecord(&x.from)
	w.rec.about(r)
	w.isHead, w.isConnect = r.Method == http.MethodHead, r.Method == http.MethodConnect
	expects := c.head.Expects && c.head.Framing != http1.Framing{Kind: http1.Sized}
	status := c.srv.precheck(r)
	c.lines = c.lines[:0]
	c.body.Reset(c.src, c.head.Framing, &c.srv.limits)
	c.head.Discard(c.src) // its slices are no longer used
	c.forgetDeadline()
	if status != 0 {
		c.refuse(status, w.isHead)
		w.rec.refused(status, errRefused(status))
		return false
	}
	if r.Body == nil {
		r.Body = http.NoBody
		c.watch.allowed = true // no other goroutine uses the watch yet
	} else {
		w.body = &requestBody{of: c.serving, conn: c, resp: w, req: r}
		w.body.asked.expects = expects
		w.body.configure(c.srv.cfg.MaxBody)
		r.Body = w.body
	}
	c.current.Store(x)
	defer c.finishRequest(x)
	c.asked, c.reply = r, w // kept here, not on the stack, which a hijacked connection would retain
	if !c.call() || c.hijacked {
		return false
	}
	c.endRequest(x)
	return c.reply.finish()
}

// release drops the references to the request of a hijacked connection. The handler holds what it needs.
func (c *conn) release() {
	if c.reply == nil {
		return // a native server has none
	}
	c.taken.line = lineOf(c.asked)
	if c.reply.body == nil {
		c.idle()
		return
	}
	c.asked, c.reply, c.lines, c.tail, c.names = nil, nil, nil, nil, nil
}

// endRequest ends the context of a request. When it returns, no goroutine reads for it.
func (c *conn) endRequest(x *requestContext) {
	if c.current.Load() != x {
		return // called before
	}
	c.current.Store(nil)
	if x.end(context.Canceled) || c.hijacked || c.reply == nil || c.reply.body != nil {
		c.watch.end()
	} else {
		c.watch.allowed = false // no other goroutine has used the watch
	}
}

// finishRequest releases the request. It is called even if the handler did not return.
func (c *conn) finishRequest(x *requestContext) {
	c.endRequest(x)
	if c.hijacked {
		return
	}
	w := c.reply
	if c.asked != nil {
		removeForm(c.asked)
	}
	c.asked, c.reply = nil, nil
	if w == nil {
		return
	}
	w.over(x)
	if w.body != nil {
		w.body.cut()
	}
}

// removeForm removes the temporary files of a form that the handler of r has parsed.
func removeForm(r *http.Request) {
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // as net/http does
	}
}

// over calls the hooks at the end of the exchange.
func (w *response) over(x *requestContext) {
	if w.rec == nil {
		return
	}
	if w.body != nil {
		w.rec.Received = w.body.got.Load()
	}
	w.rec.fill(&w.output)
	if w.overruled {
		w.rec.Sent = 0 // the refusal is not counted
		if w.body.fault() != 0 {
			w.rec.note(w.body.failure())
		}
	}
	w.rec.ended(x)
}

// mayGoOn reports whether the connection may serve another request, as far as that is known before the handler runs.
func (c *conn) mayGoOn() bool {
	cfg := &c.srv.cfg
	return c.head.KeepAlive && !cfg.CloseEach && (cfg.MaxRequests <= 0 || int(c.served) < cfg.MaxRequests) && !c.draining.Load()
}

// note records for the hooks why the current reply has failed.
func (c *conn) note(err error) { c.record().note(err) }

// record returns the record of the request in progress, or of the one that hijacked the connection.
func (c *conn) record() *accessRecord {
	switch {
	case c.hijacked:
		return c.taken.rec
	case c.reply != nil:
		return c.reply.rec
	}
	return c.exchange.writer().rec // native server
}

// clientGone is called when the client has closed its side or disconnected: by the watch, or by a Read of the body. x is
// nil if the handler has returned.
func (c *conn) clientGone(x *requestContext, err error) {
	halfClosed := err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)
	if x == nil || halfClosed && c.srv.cfg.HalfClose || chanio.Resumable(c.io, err) || errors.Is(err, servers.ErrShutdown) {
		return
	}
	x.end(errLeft)
}

// forgetDeadline forgets the read deadline that the handler of the request before has set.
func (c *conn) forgetDeadline() {
	if c.deadline.Load() != nil {
		c.deadline.Store(nil)
	}
}

// readDeadline returns the read deadline that a handler has set, or zero.
func (c *conn) readDeadline() time.Time {
	if t := c.deadline.Load(); t != nil {
		return *t
	}
	return time.Time{}
}
