package servers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/afresh"
	"github.com/weir-go/weir/internal/leanctx"
)

// Serve calls handle for each connection, in a goroutine of its own. It returns when accepting has ended, all
// handlers have returned and all connections have been released. It is the only receiver of Conns, and a second call
// panics.
//
// # When a handler returns
//
// When handle returns, Serve ends the connection cleanly: it drains what was sent, within the linger bound, signals the
// end of the stream to the peer, cancels the handler's ctx, waits for the peer to end its side, by default 250 ms if it
// sends nothing (CloseWait of [chanio.ConnConfig]), and releases the connection. An error returned by handle is logged
// and has no other effect. If handle panics or calls runtime.Goexit, the connection is aborted with a
// [*chanio.PanicError], which is logged with its stack; the process continues.
//
// # When Serve returns
//
// After [Listener.Shutdown] or [Listener.Close], Serve returns nil. When ctx ends, Serve stops accepting and cancels
// the handlers' contexts with ctx's cause. Handlers then have the linger bound, 5 s by default, to return and to drain
// what they have sent. Connections that remain are aborted, and Serve returns nil, since the caller ended ctx. Any
// other error means that accepting failed permanently; the connections have then been asked to finish, as in
// [Listener.Shutdown], and the handlers have been ended as if ctx had ended.
//
// A handler that ignores both its ctx and its connection delays the return of Serve.
func (l *Listener) Serve(ctx context.Context, handle func(context.Context, *chanio.Conn) error) error {
	if handle == nil {
		panic("servers: Serve: handle is nil")
	}
	conns := l.Conns.Claim("servers.Listener.Serve")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer l.endWith(ctx, cancel)()
	contexts, stop := newContexts(ctx)
	defer stop()
	s := &serving{l: l, contexts: contexts}
	var err error
	for {
		var conn *chanio.Conn
		if conn, err = conns.Next(ctx); err != nil {
			break
		}
		l.hold(conn)
		h := &handling{serving: s, ctx: contexts.add(), conn: conn, handle: handle}
		h.start()
	}
	if err == io.EOF || errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
		err = nil
	}
	_ = l.closeConns()
	<-l.closed // the end of ctx may be closing it: the address must be free when Serve returns
	if err != nil {
		l.drain()
		cancel(err)
	}
	if l.handshakes != nil {
		l.handshakes.wait()
	}
	s.handlers.Wait()
	l.awaitEmpty()
	return err
}

// endWith ends the Listener when ctx ends, and cancels the handlers when the Listener is aborted. undo reverts both.
func (l *Listener) endWith(ctx context.Context, cancel context.CancelCauseFunc) (undo func()) {
	l.mu.Lock()
	l.cut = cancel
	if l.state == aborting {
		cancel(l.cause)
	}
	l.mu.Unlock()
	var ended []func()
	begun := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(begun)
		l.beginStop()
		ended = append(ended, after(l.conn.Linger, func() { l.abort(chanio.Cause(ctx)) }), l.sayWhatIsLeft("Serve"))
	})
	return func() {
		if stop() {
			return
		}
		<-begun
		for _, callOff := range ended {
			callOff()
		}
	}
}

// serving is one call of Serve.
type serving struct {
	l        *Listener
	contexts *contexts
	handlers sync.WaitGroup
}

// handling is one call of a handler.
type handling struct {
	*serving
	ctx    *leanctx.Context
	conn   *chanio.Conn
	handle handler
	err    error // of handle; errHandles until it has returned
}

var errHandles = errors.New("servers: the handler has not returned")

// start starts a goroutine that runs the handler and ends its connection, or starts another one that does. An idle
// connection waits in it. It has one small stack frame, because a goroutine that has needed a large stack keeps it unless
// it waits with less than 1,248 bytes in use.
func (h *handling) start() {
	h.handlers.Add(1)
	h.err = errHandles
	go func() {
		defer func() { // also if handle calls runtime.Goexit
			defer h.handlers.Done()
			if h.err == errHandles {
				h.err = chanio.Recovered(recover())
			}
			h.end()
		}()
		h.err = h.handle(h.ctx, h.conn)
	}()
}

// end ends the connection, or starts the handler that takes it over.
func (h *handling) end() {
	if next, ok := h.err.(*afresh.Handler); ok {
		h.handle = next.Handle
		h.start()
		return
	}
	h.l.handled(h.contexts, h.ctx, h.conn, h.err)
}

type handler = func(context.Context, *chanio.Conn) error

// handled ends a connection whose handler has returned err.
func (l *Listener) handled(contexts *contexts, ctx *leanctx.Context, conn *chanio.Conn, err error) {
	defer l.drop(conn, handled)
	l.uncount(conn, handled)
	cancel := func() { contexts.drop(ctx) }
	defer cancel()
	panicked := cmp.Or(l.returned(conn, err), l.judge(ctx, conn, err))
	if cause := l.abortCause(); cause != nil { // the handler returned before the abort
		conn.Abort(cause)
	}
	undrained := finish(conn, panicked, cancel)
	if err == nil {
		l.reportUndrained(conn, undrained)
	}
}

// judge logs the error of a handler, and returns the panic in it, or nil. The error may panic itself, such as a nil
// pointer with an Unwrap method, which counts as a panic of the handler.
func (o *observer) judge(ctx context.Context, conn *chanio.Conn, err error) error {
	if err == nil || isCause(ctx, err) {
		return nil
	}
	var panicked *chanio.PanicError
	unsound := o.call("error of a handler", nil, func() {
		errors.As(err, &panicked)
		o.report(conn, ignore(ctx, err))
	})
	if panicked == nil {
		return unsound
	}
	return panicked
}

// isCause reports whether err is the cause of ctx's end, which most handlers return when a server ends. It calls no method
// of err, so it needs no goroutine.
func isCause(ctx context.Context, err error) bool {
	return ctx.Err() != nil && reflect.ValueOf(err).Comparable() && err == chanio.Cause(ctx)
}

// finish ends a connection whose handler returned or panicked. It returns why some output was not sent.
func finish(conn *chanio.Conn, panicked error, cancel func()) (undrained error) {
	if panicked != nil {
		conn.Out.OnDone(cancel) // Abort runs Hooks.Closed, which may wait for goroutines of the handler
		conn.Abort(panicked)
	} else {
		failed := conn.Out.Err() // the handler has received this error
		if err := conn.Out.Close(); failed == nil && !errors.Is(err, errors.ErrUnsupported) {
			undrained = err
		}
		cancel()
		_ = conn.In.Close()
	}
	<-conn.Done()
	return undrained
}

// ignore returns nil if err only means that the conversation is over, and err otherwise.
func ignore(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
	case errors.Is(err, ErrShutdown):
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, chanio.Cause(ctx))):
	default:
		return err
	}
	return nil
}
