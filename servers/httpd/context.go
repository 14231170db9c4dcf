package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// lasting is what the contexts of requests know of their connection. They lead to nothing else of it once it has ended,
// so that a request which a handler keeps does not keep the memory of a connection.
type lasting struct {
	server *Server
	ctx    context.Context // with the values of the connection
	remote string
	conn   atomic.Pointer[conn] // nil when it has ended
	last   chanio.ConnStats     // as of then
}

// stats returns what the connection has transferred so far.
func (l *lasting) stats() chanio.ConnStats {
	if c := l.conn.Load(); c != nil {
		return c.nc.Stats()
	}
	return l.last
}

// end cuts the way to the connection.
func (l *lasting) end() {
	l.last = l.stats()
	l.conn.Store(nil)
}

// connContext is the context of a connection, with the values that net/http provides. It passes on AfterFunc, so that
// contexts derived from it need no goroutine.
type connContext struct {
	context.Context // the listener handler's
	of              *serving
	local           net.Addr
}

func (x *connContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return x.of.shown
	case http.LocalAddrContextKey:
		return x.local
	case serverKey{}:
		return x.of.srv
	}
	return x.Context.Value(key)
}

func (x *connContext) AfterFunc(f func()) (stop func() bool) {
	if parent, ok := x.Context.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok {
		return parent.AfterFunc(f) // context.AfterFunc would allocate a context first
	}
	return context.AfterFunc(x.Context, f)
}

// requestContext is the context of a request. It costs nothing until Done, or Err for the second time, is called. Then
// it creates a real context, and the connection watches for a disconnect.
type requestContext struct {
	from origin // its connection has the parent context; HTTP/2 reports a disconnect, HTTP/1 is watched for it

	mu    sync.Mutex
	asked bool          // Err was called
	inner *innerContext // created by the first call of Done, or the second of Err
	cause error         // of its end, or errLeft
}

type innerContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// errLeft is the cause of a context that has ended because the client has disconnected, or closed its side. Handlers
// see context.Canceled.
var errLeft = errors.New("httpd: the client has disconnected")

// shown returns a cause as handlers see it.
func shown(cause error) error {
	if cause == errLeft {
		return context.Canceled
	}
	return cause
}

func (x *requestContext) Deadline() (time.Time, bool) { return x.from.on.ctx.Deadline() }

func (x *requestContext) Done() <-chan struct{} {
	x.mu.Lock()
	fresh := x.inner == nil
	if fresh {
		ctx, cancel := context.WithCancelCause(x.from.on.ctx)
		x.inner = &innerContext{ctx, cancel}
		if x.cause != nil {
			cancel(shown(x.cause))
			fresh = false
		}
	}
	done := x.inner.Done()
	x.mu.Unlock()
	if fresh && x.from.stream == 0 {
		if c := x.from.on.conn.Load(); c != nil {
			c.watch.want(c, x)
		}
	}
	return done
}

// Err calls Done for a handler that asks for Err again and again. With HTTP/2 a disconnect is noticed anyway.
func (x *requestContext) Err() error {
	x.mu.Lock()
	inner, cause, again := x.inner, x.cause, x.asked
	x.asked = true
	x.mu.Unlock()
	switch {
	case inner != nil:
		return inner.Err()
	case cause != nil:
		return context.Canceled
	case again && x.from.stream == 0:
		x.Done()
	}
	return x.from.on.ctx.Err()
}

// Value passes on the key by which package context finds its own contexts, so that children need no goroutine.
func (x *requestContext) Value(key any) any {
	if key == (infoKey{}) {
		return x
	}
	x.mu.Lock()
	inner := x.inner
	x.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return x.from.on.ctx.Value(key)
}

// why returns the cause of the end of the context, and whether the client had disconnected before.
func (x *requestContext) why() (cause error, gone bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return shown(x.cause), x.cause == errLeft
}

// end ends the context. It reports whether Done has been called.
func (x *requestContext) end(cause error) (wanted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause == nil {
		x.cause = cause
	}
	if x.inner == nil {
		return false
	}
	x.inner.cancel(shown(cause))
	return true
}

// watch detects a disconnect while a handler runs, by waiting for a byte of the next request. It reads at most one
// buffer, and only after the end of the body. Its methods, except want, are called by the connection's goroutine.
type watch struct {
	mu      sync.Mutex
	wanted  *requestContext // the request whose Done was called
	allowed bool            // the body is at its end
	waits   *waits          // nil if no goroutine waits
}

// waits is a goroutine that waits for a byte.
type waits struct {
	stop context.CancelFunc
	done chan struct{}
}

// want ends x when the client disconnects.
func (w *watch) want(c *conn, x *requestContext) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.current.Load() != x {
		return
	}
	w.wanted = x
	w.startLocked(c)
}

// allow allows the watch to read: the body is at its end.
func (w *watch) allow(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed = true
	w.startLocked(c)
}

func (w *watch) startLocked(c *conn) {
	x := w.wanted
	if x == nil || !w.allowed || w.waits != nil || len(c.src.Buffered()) > 0 {
		return
	}
	ctx, stop := context.WithCancel(c.io)
	done := make(chan struct{})
	w.waits = &waits{stop, done}
	go func() { // end waits for it
		defer close(done)
		for {
			_ = c.nc.SetReadDeadline(time.Time{}) // that of the handler, who may set one now, is for the body, which has ended
			err := c.src.Fill(ctx, 1)
			switch {
			case err == nil, ctx.Err() != nil:
				return
			case errors.Is(err, os.ErrDeadlineExceeded) && chanio.Resumable(ctx, err):
				time.Sleep(time.Millisecond) // the handler has set another one, or a foreign net.Conn does so each time
			default:
				c.clientGone(x, err)
				return
			}
		}
	}()
}

// end stops the watch. When it returns, no goroutine reads.
func (w *watch) end() {
	w.mu.Lock()
	waits := w.waits
	w.wanted, w.allowed, w.waits = nil, false, nil
	w.mu.Unlock()
	if waits != nil {
		waits.stop()
		<-waits.done
	}
}
