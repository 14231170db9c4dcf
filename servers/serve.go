package servers

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/afresh"
	"github.com/weir-go/weir/internal/leanctx"
)

// Serve calls handle for each connection, in a goroutine of its own, and returns when accepting has ended and all
// handlers have returned. It is the one receiver of Conns; calling it a second time panics.
//
// # A handler's return
//
// When handle returns, its connection ends in good order: what was sent is drained and the peer told that the stream
// has ended, then the handler's ctx is cancelled, then the peer is given the linger bound to end its side, and then the
// connection is released. An error that handle returns changes nothing about that, and is one line of the Logger. A
// panic in handle, and runtime.Goexit, abort the connection with a [*chanio.PanicError], which the Logger gets with its
// stack; the process lives on.
//
// # How Serve ends
//
// After [Listener.Shutdown] or [Listener.Close] it returns nil. The end of ctx is the abrupt way: accepting stops, the
// handlers' ctx is cancelled with ctx's cause, and they have the linger bound, 5 s by default, to return and for what
// they have sent to drain; then the connections that are left are aborted. Serve returns nil then, too, for it has done
// as it was told: the one that ended ctx knows why. Any other error means that accepting failed for good; the handlers have
// been ended as by ctx.
//
// A handler that heeds neither its ctx nor its connection holds Serve up.
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
	var handlers sync.WaitGroup
	var err error
	for {
		var conn *chanio.Conn
		if conn, err = conns.Next(ctx); err != nil {
			break
		}
		l.hold(conn)
		handlers.Go(func() { l.serve(&handlers, contexts, contexts.add(), conn, handle) })
	}
	if err == io.EOF || errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
		err = nil
	}
	_ = l.closeConns()
	<-l.closed // the end of ctx may be about to do that: the address is free when Serve returns
	if err != nil {
		cancel(err)
	}
	if l.handshakes != nil {
		l.handshakes.wait()
	}
	handlers.Wait()
	return err
}

// endWith makes the end of ctx the end of the Listener, and an abort the end of ctx. The returned function undoes that.
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
		_ = l.stop()
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

// serve runs one handler and ends its connection, or leaves that to another goroutine.
func (l *Listener) serve(handlers *sync.WaitGroup, contexts *contexts, ctx *leanctx.Context, conn *chanio.Conn, handle handler) {
	var err error
	returned := false
	defer func() { // also if handle calls runtime.Goexit
		if !returned {
			err = chanio.Recovered(recover())
		}
		if next, ok := err.(*afresh.Handler); ok {
			handlers.Go(func() { l.serve(handlers, contexts, ctx, conn, next.Handle) })
			return
		}
		l.handled(contexts, ctx, conn, err)
	}()
	err = handle(ctx, conn)
	returned = true
}

type handler = func(context.Context, *chanio.Conn) error

// handled ends a connection whose handler has returned err.
func (l *Listener) handled(contexts *contexts, ctx *leanctx.Context, conn *chanio.Conn, err error) {
	defer l.drop(conn, handled)
	cancel := func() { contexts.drop(ctx) }
	defer cancel()
	l.returned(conn, err)
	l.report(conn, ignore(ctx, err))
	if cause := l.abortCause(); cause != nil { // the handler was faster than the abort
		conn.Abort(cause)
	}
	undrained := finish(conn, err, cancel)
	l.awaitHooks(conn)
	if err == nil {
		l.reportUndrained(conn, undrained)
	}
}

// finish ends a connection whose handler returned err. It returns why not all could be sent.
func finish(conn *chanio.Conn, err error, cancel func()) (undrained error) {
	var panicked *chanio.PanicError
	if errors.As(err, &panicked) {
		conn.Abort(panicked)
		cancel()
	} else {
		failed := conn.Out.Err() // the handler has been told
		if err := conn.Out.Close(); failed == nil && !errors.Is(err, errors.ErrUnsupported) {
			undrained = err
		}
		cancel()
		_ = conn.In.Close()
	}
	<-conn.Done()
	return undrained
}

// ignore returns err unless it only says that the conversation was over.
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
