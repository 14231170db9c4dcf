package httpd

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// connContext is the context of a connection with the values that net/http has in it. It passes on AfterFunc, so that a
// context made of it needs no goroutine.
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
		return parent.AfterFunc(f) // context.AfterFunc makes a context first
	}
	return context.AfterFunc(x.Context, f)
}

// requestContext is the context of a request. It costs nothing until somebody asks for Done: then it makes a real context,
// and has the connection watch for the client's leaving.
type requestContext struct {
	from origin // whose connection's context is the parent; that of HTTP/2 reports a client that leaves, others are watched

	mu     sync.Mutex
	inner  context.Context // once somebody has asked
	cancel context.CancelCauseFunc
	cause  error // why it has ended
	gone   bool  // the client has left, or ended its side
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

// Value has the key by which package context finds a context that it made, so that children need no goroutine.
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

// leave ends the context because the client has left.
func (x *requestContext) leave() {
	x.mu.Lock()
	x.gone = x.gone || x.cause == nil
	x.mu.Unlock()
	x.end(context.Canceled)
}

// why returns why the context has ended, and whether the client has left before.
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

// watch notices that the client has gone while a handler runs, by waiting for a byte that nobody has asked for. It reads
// no further than one buffer, and only once the body is at its end. Its methods are called by the connection's goroutine,
// except want.
type watch struct {
	mu      sync.Mutex
	wanted  *requestContext // who has asked
	allowed bool            // the body is at its end
	waits   *waits          // nil while nobody does
}

// waits is a goroutine that waits.
type waits struct {
	stop context.CancelFunc
	done chan struct{}
}

// want has x ended when the client goes.
func (w *watch) want(c *conn, x *requestContext) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.current.Load() != x {
		return
	}
	w.wanted = x
	w.startLocked(c)
}

// allow says that nobody else reads.
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

// end stops the watch, and returns when nobody reads any more.
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
