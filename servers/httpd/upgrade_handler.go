package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/leanctx"
)

// WebSocket returns a handler that turns each request into a WebSocket and calls f with it. cfg may be nil. When f
// returns, the connection is closed: with 1000 if f returned nil, with the code of a [*websocket.CloseError] that may
// be sent, and otherwise with 1011; a panic also closes with 1011, and propagates. The handler returns when the
// connection has been released. ctx is that of the request and ends with the connection, which a Shutdown closes with
// 1001.
//
// An idle connection costs least over HTTP/1.1 if nothing except [http.ServeMux] is between a [Server] and the handler:
// f then runs in a goroutine without the request on its stack, and the request is freed.
//
// If f needs the path of the request, call WebSocket in a handler of your own, with a closure as f, and then ServeHTTP of
// the result.
func WebSocket(f func(ctx context.Context, conn *websocket.Conn) error, cfg *UpgradeConfig) http.Handler {
	if f == nil {
		panic("httpd: WebSocket: the function is nil")
	}
	return &webSockets{f, cfg}
}

// webSockets is the handler that WebSocket returns.
type webSockets struct {
	f   func(ctx context.Context, conn *websocket.Conn) error
	cfg *UpgradeConfig
}

func (h *webSockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if own, ok := w.(*response); ok && own.conn.leadsTo(h, r) {
		h.begin(own.conn, own, r)
		return
	}
	conn, err := Upgrade(w, r, h.cfg)
	if err != nil {
		return // the client has received a reply
	}
	ctx := &leanctx.Context{Context: r.Context()}
	defer ctx.Cancel()
	defer context.AfterFunc(ctx.Context, ctx.Cancel)()
	defer conn.Out.OnDone(ctx.Cancel)()
	code, reason := websocket.InternalError, ""
	defer func() { _ = conn.CloseWith(code, reason) }() // the peer may have closed it
	err = h.f(ctx, conn)
	code, reason = closeCode(err)
	if isOwn(ctx, conn, err) {
		report(w, r, "websocket", err)
	}
}

// isOwn reports whether err, of a function that served conn, is its own: not the end of conn, with which ctx ends too, and
// not a CloseError, which is for the peer.
func isOwn(ctx context.Context, conn *websocket.Conn, err error) bool {
	var end *websocket.CloseError
	return err != nil && ctx.Err() == nil && !errors.As(err, &end) && !isEnd(conn, err)
}

// isEnd reports whether err is the end of conn. The call that fails with it may return before the ctx of conn ends.
func isEnd(conn *websocket.Conn, err error) bool {
	if errors.Is(err, net.ErrClosed) && !conn.Out.End().Open() {
		return true // closed with 1001, for example
	}
	below := conn.Below()
	for _, end := range []error{conn.In.Err(), conn.Out.Err(), below.In.Err(), below.Out.Err()} {
		if end != nil && errors.Is(err, end) {
			return true
		}
	}
	return false
}

// leadsTo reports whether no handler between the server and h can notice when h returns.
func (c *conn) leadsTo(h *webSockets, r *http.Request) bool {
	handler := c.srv.handler
	if mux, ok := handler.(*http.ServeMux); ok {
		handler, _ = mux.Handler(r)
	}
	return handler == http.Handler(h) && c.asked == r
}

// begin turns the request into a WebSocket and leaves the rest to a goroutine that starts when this one has ended.
func (h *webSockets) begin(c *conn, w *response, r *http.Request) {
	conn, err := upgrade(c.ctx, w, r, h.cfg)
	if err != nil {
		return // the client has received a reply
	}
	s := &session{
		Context: c.ctx, // not the request's, which ends with it
		handler: h, srv: c.srv, conn: conn, done: conn.Out.Done(),
		target: strings.Clone(r.RequestURI), // the head is not retained
	}
	s.srv.enter() // until run returns
	s.rec, c.taken.rec = c.taken.rec, nil
	c.taken.next = s.run()
}

// session is a WebSocket that has outlived its request, and the ctx of its handler, which ends with it.
type session struct {
	context.Context // of the connection; its end ends the WebSocket

	handler *webSockets
	srv     *Server
	conn    *websocket.Conn
	done    <-chan struct{} // of conn.Out
	target  string          // of the request, for the log
	rec     *accessRecord   // of the request, if there are Hooks
}

// Done implements context.Context.
func (s *session) Done() <-chan struct{} { return s.done }

// Err implements context.Context.
func (s *session) Err() error {
	if deadline.Ended(s.done) {
		return context.Canceled
	}
	return nil
}

// AfterFunc is used by package context.
func (s *session) AfterFunc(f func()) (stop func() bool) { return s.conn.Out.OnDone(f) }

// run returns the function that handles the connection after the request. An idle connection waits in it, so it has one
// small stack frame.
func (s *session) run() func(context.Context, *chanio.Conn) error {
	return func(context.Context, *chanio.Conn) error {
		returned := false
		defer func() {
			if !returned {
				s.crashed(recover())
			}
		}()
		err := s.handler.f(s, s.conn)
		returned = true
		s.returned(err, isOwn(s, s.conn, err))
		return nil
	}
}

// returned closes the connection according to the error of the handler.
func (s *session) returned(err error, own bool) {
	defer s.over()
	if own {
		s.srv.log.Error("httpd: the function of a WebSocket failed",
			"peer", s.conn.RemoteAddr().String(), "method", http.MethodGet, "target", s.target, "err", err)
		s.rec.fails(err)
	}
	_ = s.conn.CloseWith(closeCode(err)) // the peer may have closed it
}

// crashed closes the connection of a handler that panicked with v, or called runtime.Goexit if v is nil.
func (s *session) crashed(v any) {
	defer s.over()
	defer s.panicked(v)
	_ = s.conn.CloseWith(websocket.InternalError, "")
}

func (s *session) over() {
	s.srv.leave()
	if s.rec != nil {
		s.rec.closed()
	}
}

// panicked logs a panic with v. A nil v means runtime.Goexit, which the listener handles.
func (s *session) panicked(v any) {
	if v == nil {
		s.rec.note(chanio.Recovered(nil))
		return
	}
	s.rec.note(s.srv.panicked(s.conn.RemoteAddr().String(), requestLine{http.MethodGet, s.target}, v))
}

// closeCode returns the close code and reason for a handler's error.
func closeCode(err error) (websocket.Code, string) {
	var end *websocket.CloseError
	switch {
	case err == nil:
		return websocket.NormalClosure, ""
	case errors.As(err, &end) && end.Sendable():
		return end.Code, end.Reason
	}
	return websocket.InternalError, ""
}
