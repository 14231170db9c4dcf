package httpd

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// connContext is the context of a connection, with the values that net/http provides. It passes on AfterFunc, so that
// contexts derived from it need no goroutine.
//
// It outlives the conn when a WebSocket takes the connection over.
type connContext struct {
	context.Context
	of *serving
	nc *chanio.Conn
}

func (x *connContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return x.of.shown
	case http.LocalAddrContextKey:
		return x.nc.LocalAddr()
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

// requestContext is the context of a request. It costs nothing until Done is called. Then it creates a real context,
// and the connection watches for a disconnect.
type requestContext struct {
	from origin // its connection has the parent context; HTTP/2 reports a disconnect, HTTP/1 is watched for it

	mu     sync.Mutex
	inner  context.Context // created by the first call of Done
	cancel context.CancelCauseFunc
	cause  error // cause of its end
	gone   bool  // the client has disconnected, or closed its side
}

func (x *requestContext) Deadline() (time.Time, bool) { return x.from.on.ctx.Deadline() }

func (x *requestContext) Done() <-chan struct{} {
	x.mu.Lock()
	fresh := x.inner == nil
	if fresh {
		x.inner, x.cancel = context.WithCancelCause(x.from.on.ctx)
		if x.cause != nil {
			x.cancel(x.cause)
			fresh = false
		}
	}
	done := x.inner.Done()
	x.mu.Unlock()
	if fresh && x.from.stream == 0 {
		x.from.on.watch.want(x.from.on, x)
	}
	return done
}

func (x *requestContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.inner != nil:
		return x.inner.Err()
	case x.cause != nil:
		return context.Canceled
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

// leave ends the context because the client has disconnected.
func (x *requestContext) leave() {
	x.mu.Lock()
	x.gone = x.gone || x.cause == nil
	x.mu.Unlock()
	x.end(context.Canceled)
}

// why returns the cause of the end of the context, and whether the client had disconnected before.
func (x *requestContext) why() (cause error, gone bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cause, x.gone
}

// end ends the context.
func (x *requestContext) end(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause == nil {
		x.cause = cause
	}
	if x.cancel != nil {
		x.cancel(cause)
	}
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
	_ = c.setReadDeadline(c.readDeadline())
	go func() { // end waits for it
		defer close(done)
		err := c.src.Fill(ctx, 1)
		if err != nil && ctx.Err() == nil {
			c.clientGone(x, err)
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
