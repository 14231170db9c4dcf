package httpd

import (
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
	"github.com/weir-go/weir/internal/http2"
	"github.com/weir-go/weir/servers"
)

// conn is a connection. With HTTP/1 its goroutine reads a request, calls the handler, and goes on to the next one.
type conn struct {
	*serving
	ctx  context.Context // that of the handler of the listener, with the values of the connection
	nc   *chanio.Conn
	up   chanio.Upstream[[]byte]
	src  chanio.ByteSource
	sink chanio.ByteSink

	*parsing // nil while the connection waits for a request, and once it was hijacked
	watch    watch

	remote string
	secure *tls.ConnectionState

	current  atomic.Pointer[requestContext] // of the request that is being served
	state    atomic.Int32                   // isIdle, isBusy or isTold
	idling   idling
	draining atomic.Bool
	served   int32
	hijacked bool
	taker    *requestLine                              // of the request that has hijacked it, for the log
	next     func(context.Context, *chanio.Conn) error // takes the connection over when the handler has returned
	deadline atomic.Pointer[time.Time]                 // for reading, of the handler's own
	undrain  func() bool                               // takes back that drain is called

	h2      *http2.Conn   // of a connection that speaks HTTP/2
	tunnels *tunnels      // made of its streams
	taken   *accessRecord // of the request that has taken the connection, if there are Hooks
}

// serving is what the connections of one Serve have in common.
type serving struct {
	srv   *Server
	shown *http.Server    // to handlers
	io    context.Context // bounds reading and writing
}

// requestLine is what the log says of a request.
type requestLine struct{ method, target string }

func lineOf(r *http.Request) requestLine { return requestLine{r.Method, r.RequestURI} }

// parsing is what a connection needs for a request of HTTP/1 and its reply.
type parsing struct {
	head   http1.RequestHead
	body   http1.Body
	writer http1.Writer

	asked    *http.Request // what is being served
	reply    *response
	exchange exchange // of a native server, instead of these

	lines []byte   // field lines of the reply's header, at WriteHeader
	tail  []byte   // those of its trailers, of a native handler
	names []string // of a reply's fields
}

// maxKept is how many bytes of field lines, and how many names, the memory of a parsing has that is used again.
const maxKept = 4 << 10

var parsings = sync.Pool{New: func() any { return new(parsing) }}

// idle gives back what only a request needs. The head has been discarded, and nobody reads the body or writes any more.
func (c *conn) idle() {
	p := c.parsing
	if p == nil {
		return
	}
	c.parsing = nil
	p.body.Reset(nil, http1.Framing{}, nil)
	p.writer.Reset(nil, http1.Framing{})
	p.asked, p.reply = nil, nil
	p.exchange.forget()
	clear(p.names[:cap(p.names)])
	p.lines, p.tail = p.lines[:0], p.tail[:0]
	if cap(p.lines) > maxKept || cap(p.tail) > maxKept || cap(p.names) > maxKept {
		p.lines, p.tail, p.names = nil, nil, nil
	}
	parsings.Put(p)
}

// States of a connection, for the one that asks it to finish.
const (
	isBusy int32 = iota
	isIdle       // waits for a request
	isTold       // waited when it was told to finish
)

// newConn makes a conn of nc. ctx is that of its handler.
func newConn(s *serving, ctx context.Context, nc *chanio.Conn) *conn {
	c := &conn{serving: s, nc: nc}
	if s.io.Done() != nil { // otherwise the connection ends what it does by itself, and an idle one watches no context
		c.serving = &serving{s.srv, s.shown, ctx}
	}
	c.ctx = &connContext{ctx, s, nc}
	if f := s.srv.cfg.ConnContext; f != nil {
		c.ctx = f(c.ctx, nc.NetConn())
	}
	c.up = nc.In.Claim("httpd.Server")
	c.src, c.sink = c.up.Bytes(), chanio.BytesTo(nc.Out)
	c.remote, c.secure = nc.RemoteAddr().String(), nc.TLS()
	return c
}

// run serves requests until the connection is to end. What ends it in good order is the caller.
func (c *conn) run() error {
	c.undrain = c.nc.OnDrain(c.drain)
	defer func() { c.undrain() }()
	defer c.srv.idlers.remove(c)
	defer c.endTaken()
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
	case c.next != nil:
		return &afresh.Handler{Handle: c.next}
	case c.hijacked:
		<-c.nc.Done()
	}
	return nil
}

// drain is told that the server shuts down.
func (c *conn) drain(error) {
	c.draining.Store(true)
	if c.state.CompareAndSwap(isIdle, isTold) {
		c.nc.EndIn(servers.ErrShutdown)
	}
}

// await waits for the first byte of a request.
func (c *conn) await() bool {
	if len(c.src.Buffered()) > 0 {
		return true
	}
	c.idle()
	switch {
	case c.served == 0:
		_ = c.setReadDeadline(deadline.In(c.srv.cfg.HeadTimeout))
	case c.idling.bounded.Load():
		_ = c.setReadDeadline(time.Time{})
	}
	c.state.Store(isIdle)
	if c.draining.Load() {
		c.nc.EndIn(servers.ErrShutdown) // what has arrived is still read
	}
	inTime := c.fill()
	c.state.CompareAndSwap(isIdle, isBusy)
	return inTime
}

// fill waits for bytes, and reports whether some have come in time.
func (c *conn) fill() bool {
	if c.served == 0 || c.srv.cfg.IdleTimeout < 0 {
		return c.src.Fill(c.io, 1) == nil
	}
	since := c.idling.start(c)
	err := c.src.Fill(c.io, 1)
	return c.idling.end(since) && err == nil
}

// setReadDeadline sets the deadline of the Conn: every Conn of a Listener has deadlines.
func (c *conn) setReadDeadline(t time.Time) error {
	c.idling.bounded.Store(!t.IsZero())
	return c.nc.SetReadDeadline(t)
}

// readHead reads the head of a request, and answers an invalid one.
func (c *conn) readHead() bool {
	if c.parsing == nil {
		c.parsing = parsings.Get().(*parsing)
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
	var broken *http1.Error // which costs an allocation
	switch {
	case errors.As(err, &broken):
		c.refuseHead(broken.Status, err)
	case len(c.src.Buffered()) == 0:
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.refuseHead(http.StatusRequestTimeout, err)
	default: // the client has gone within it
		c.srv.newRecord(&origin{on: c, arrived: time.Now()}).refused(0, err)
	}
	return false
}

// endTaken tells that a connection that was hijacked is over.
func (c *conn) endTaken() {
	if c.taken != nil {
		c.taken.closed()
	}
}

// serve serves the request whose head has been read, and reports whether the connection goes on.
func (c *conn) serve() (goesOn bool) {
	if c.srv.native != nil {
		return c.serveNative()
	}
	g := new(given)
	x, w := &g.ctx, &g.w
	x.from = c.origin()
	r := c.newRequest(x)
	w.keepAlive, w.http11 = c.mayGoOn(), c.head.Minor > 0
	w.conn, w.req, w.via, w.length, w.rec = c, r, w, -1, c.srv.newRecord(&x.from)
	w.rec.about(r)
	w.isHead, w.isConnect = r.Method == http.MethodHead, r.Method == http.MethodConnect
	expects := c.head.Expects && c.head.Framing != http1.Framing{Kind: http1.Sized}
	status := c.srv.precheck(r)
	c.body.Reset(c.src, c.head.Framing, &c.srv.limits)
	c.head.Discard(c.src) // whose slices are not used any more
	c.deadline.Store(nil)
	if status != 0 {
		c.refuse(status, w.isHead)
		w.rec.refused(status, errRefused(status))
		return false
	}
	if r.Body == nil {
		r.Body = http.NoBody
		c.watch.allow(c)
	} else {
		w.body = &requestBody{conn: c, resp: w, req: r}
		w.body.asked.expects = expects
		w.body.configure(c.srv.cfg.MaxBody)
		r.Body = w.body
	}
	c.current.Store(x)
	defer c.finishRequest(x)
	c.asked, c.reply = r, w // not on the stack, where a hijacked connection would keep them
	if !c.call() || c.hijacked {
		return false
	}
	x.end(context.Canceled)
	c.watch.end()
	return c.reply.finish()
}

// release lets go of the request of a connection that was hijacked: what the handler needs of it, it has itself.
func (c *conn) release() {
	if c.reply == nil {
		return // of a native server
	}
	line := lineOf(c.asked)
	c.taker = &line
	if c.reply.body == nil {
		c.idle()
		return
	}
	c.asked, c.reply, c.lines, c.tail, c.names = nil, nil, nil, nil, nil
}

// finishRequest lets go of the request, also if the handler did not return.
func (c *conn) finishRequest(x *requestContext) {
	x.end(context.Canceled)
	c.current.Store(nil)
	if c.hijacked {
		return
	}
	c.watch.end()
	w := c.reply
	if c.asked != nil {
		removeForm(c.asked)
	}
	c.asked, c.reply = nil, nil
	if w != nil {
		w.over(x)
	}
}

// removeForm removes the files that the handler of r has had a form stored in.
func removeForm(r *http.Request) {
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // as net/http does
	}
}

// over tells the hooks that the exchange is over.
func (w *response) over(x *requestContext) {
	if w.rec == nil {
		return
	}
	if w.body != nil {
		w.rec.Received = w.body.got.Load()
	}
	w.rec.fill(&w.output)
	if w.overruled {
		w.rec.Sent = 0 // the refusal is the server's
		if w.body.fault() != 0 {
			w.rec.note(w.body.failure())
		}
	}
	w.rec.ended(x)
}

// mayGoOn reports whether the connection may serve another request, as far as is known before the handler is called.
func (c *conn) mayGoOn() bool {
	cfg := &c.srv.cfg
	return c.head.KeepAlive && !cfg.CloseEach && (cfg.MaxRequests <= 0 || int(c.served) < cfg.MaxRequests) && !c.draining.Load()
}

// note notes for the hooks why the reply that is under way has failed.
func (c *conn) note(err error) {
	switch {
	case c.hijacked:
		c.taken.note(err)
	case c.reply != nil:
		c.reply.rec.note(err)
	default: // of a native server
		c.exchange.writer().rec.note(err)
	}
}

// clientGone is told by the watch that the client has ended its side, or is gone.
func (c *conn) clientGone(x *requestContext, err error) {
	if err == io.EOF && c.srv.cfg.HalfClose || chanio.Resumable(c.io, err) || errors.Is(err, servers.ErrShutdown) {
		return
	}
	x.leave()
}

// readDeadline is the deadline that a handler has set for reading, if any.
func (c *conn) readDeadline() time.Time {
	if t := c.deadline.Load(); t != nil {
		return *t
	}
	return time.Time{}
}
