package httpc

import (
	"context"
	"errors"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// muxStream is one exchange on a mux. It implements incoming and outgoing.
type muxStream struct {
	m *mux
	s *http2.Stream
	x *exchange

	head   context.Context // bounds the wait for the head
	cancel context.CancelCauseFunc
	timer  *time.Timer

	informed bool // an informational response has arrived
}

// roundTrip makes one attempt of x on m.
func (m *mux) roundTrip(x *exchange) (*http.Response, *attemptError) {
	s, err := m.open(x)
	reused := m.opened()
	x.stream, x.reused = s, reused || m.group.to != x.to
	if err != nil {
		m.release()
		return nil, m.failure(x, err, false, reused)
	}
	if x.closes {
		m.t.pool.retire(m)
	}
	st := &muxStream{m: m, s: s, x: x}
	if x.trace != nil && x.trace.WroteHeaders != nil {
		x.trace.WroteHeaders()
	}
	resp, sender, err := st.exchange()
	if err != nil {
		sender.halt()
		why := sender.failure()
		st.s.Reset(http2.Cancel, err)
		m.release()
		if why != nil && x.ctx.Err() == nil && !isStreamError(why) {
			err = why
		}
		return nil, m.failure(x, err, true, reused && !st.informed)
	}
	return resp, nil
}

func (m *mux) abandon(x *exchange) {
	x.sender.halt()
	if x.stream == nil {
		m.giveBack()
		return
	}
	x.stream.Reset(http2.Cancel, nil)
	m.release()
}

// open opens a stream. It waits if the server has just reduced their number.
func (m *mux) open(x *exchange) (*http2.Stream, error) {
	ctx, cancel := bound(x.ctx, m.t.cfg.PoolTimeout, PhasePool)
	defer cancel()
	var few [16]http2.Field
	return m.h2.Open(ctx, x.appendFields(few[:0]), !x.hasBody() && !x.tunnels())
}

func isStreamError(err error) bool {
	var reset *http2.StreamError
	return errors.As(err, &reset)
}

// failure converts an error to an attemptError.
func (m *mux) failure(x *exchange, err error, sent, reused bool) *attemptError {
	var reset *http2.StreamError
	isReset := errors.As(err, &reset)
	spare := isReset && reset.Unprocessed() && (!reset.NeedsHTTP1() || x.leaveHTTP2())
	answered := isReset && reset.Remote && reset.Unwrap() == nil // by a RST_STREAM, so the connection did not fail
	if x.ctx.Err() != nil {
		err = chanio.Cause(x.ctx)
	}
	return &attemptError{err: err, sent: sent, spare: spare, stale: reused && !answered && deadline.Ended(m.h2.Done())}
}

// exchange sends the body and reads the response heads.
func (st *muxStream) exchange() (*http.Response, *sender, error) {
	x := st.x
	st.head = x.ctx
	if st.m.t.cfg.HeadTimeout > 0 {
		st.head, st.cancel = context.WithCancelCause(x.ctx)
		defer st.cancel(nil)
	}
	var s *sender
	switch {
	case !x.hasBody():
		x.closeBody()
		x.wrote(nil)
		st.headWithin(st.m.t.cfg.HeadTimeout)
	case !x.expects:
		s = send(x, st)
	case x.trace != nil && x.trace.Wait100Continue != nil:
		x.trace.Wait100Continue()
	}
	head, err := st.final(&s)
	if err != nil {
		return nil, s, err
	}
	s.gotHead()
	st.headWithin(0)
	return st.response(head, s), s, nil
}

// final reads heads until one is final. It starts a sender once the server, or a timeout, permits the body.
func (st *muxStream) final(s **sender) (*http2.Head, error) {
	x := st.x
	waiting := x.expects
	for {
		h, err := st.next(waiting)
		if err != nil && waiting && x.ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
			waiting = false
			*s = send(x, st)
			continue
		}
		if err != nil {
			return nil, early(err)
		}
		if trace := x.trace; trace != nil && trace.GotFirstResponseByte != nil && !x.began {
			x.began = true
			trace.GotFirstResponseByte()
		}
		if !h.Informational() {
			return h, nil
		}
		st.informed = true
		if err := x.inform(h); err != nil {
			return nil, err
		}
		if waiting && h.Status == http.StatusContinue {
			waiting = false
			*s = send(x, st)
		}
	}
}

// next reads a head. expecting means that the body waits for it.
func (st *muxStream) next(expecting bool) (*http2.Head, error) {
	ctx := st.head
	if d := st.m.t.cfg.ExpectTimeout; expecting && d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, os.ErrDeadlineExceeded)
		defer cancel()
	}
	return st.s.Head(ctx)
}

// inform records an informational response and passes it to the trace.
func (x *exchange) inform(h *http2.Head) error {
	header, _ := muxHeader(h.Fields)
	if x.call != nil {
		x.call.inform(h.Status, header)
	}
	if trace := x.trace; trace != nil {
		if trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(h.Status, textproto.MIMEHeader(header)); err != nil {
				return err
			}
		}
		if h.Status == http.StatusContinue && trace.Got100Continue != nil {
			trace.Got100Continue()
		}
	}
	return nil
}

// response converts a head to a response.
func (st *muxStream) response(h *http2.Head, s *sender) *http.Response {
	x := st.x
	r := &http.Response{
		StatusCode: h.Status, Status: statusText(h.Status, []byte(http.StatusText(h.Status))), Proto: "HTTP/2.0", ProtoMajor: 2,
		Request: x.req, TLS: st.m.secure, ContentLength: h.Length,
	}
	r.Header, r.Trailer = muxHeader(h.Fields)
	switch {
	case x.tunnels() && h.Status < 300:
		return st.handOver(r)
	case h.End && x.method != http.MethodHead && h.Length < 0:
		r.ContentLength = 0
	}
	if h.Status > 299 && !s.isDone() {
		s.halt()
	}
	if h.End {
		r.Body = http.NoBody
		st.settle(x, s, true)
		return r
	}
	if s.isDone() {
		if p, ok := st.s.In.Whole(ownMax); ok {
			r.Body = newBytesBody(p)
			st.settle(x, s, true)
			return r
		}
	}
	r.Body = newBody(st, x, s, r, true)
	return r
}

// handOver makes the stream the body of r, which the receiver must close.
func (st *muxStream) handOver(r *http.Response) *http.Response {
	nc := st.s.Conn(&chanio.ConnInfo{LocalAddr: st.m.nc.LocalAddr(), RemoteAddr: st.m.nc.RemoteAddr(), TLS: st.m.secure})
	st.tunnelled(nc)
	st.m.release() // the connection stays while the stream is open
	r.Body = &tunnel{Conn: chanio.AsNetConn(nc)}
	return r
}

// The methods below implement incoming.

func (st *muxStream) read(ctx context.Context, p []byte) (int, error) { return st.s.In.Read(ctx, p) }

func (st *muxStream) piece(ctx context.Context) ([]byte, error) { return st.s.In.Next(ctx) }

func (st *muxStream) peek(ctx context.Context) ([]byte, error) {
	if len(st.s.In.Buffered()) == 0 {
		if err := st.s.In.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	return st.s.In.Buffered(), nil
}

func (st *muxStream) advance(n int) { st.s.In.Discard(n) }

func (st *muxStream) over() bool { return false } // the next read reports it

func (st *muxStream) setDeadline(t time.Time) { st.s.In.SetDeadline(t) }

func (st *muxStream) trailers(to http.Header) http.Header {
	for _, f := range st.s.Trailers() {
		known := http1.Lookup(f.Name)
		if !known.InTrailer() {
			continue
		}
		if to == nil {
			to = http.Header{}
		}
		name := http1.Canonical([]byte(f.Name), known)
		to[name] = append(to[name], f.Value)
	}
	return to
}

func (st *muxStream) settle(x *exchange, s *sender, _ bool) {
	unsent := s == nil && x.hasBody() // the server answered before it asked for the body
	if unsent || !s.complete() || x.tunnels() {
		st.s.Reset(http2.Cancel, nil) // does nothing if the server has reset the stream
	}
	st.m.release() // PutIdleConn is called for HTTP/1 only
}

func (st *muxStream) lose(s *sender, cause error) {
	s.halt()
	st.s.Reset(http2.Cancel, cause)
	st.m.release()
}

func (st *muxStream) drain(int64, time.Duration) bool { return false } // a reset costs the connection nothing

// The methods below implement outgoing.

func (st *muxStream) write(ctx context.Context, p []byte) error { return st.s.Out.Send(ctx, p) }

func (st *muxStream) finish(ctx context.Context, p []byte, trailers http.Header) error {
	var fields []http2.Field
	for _, name := range sortedKeys(trailers) {
		for _, v := range trailers[name] {
			fields = append(fields, http2.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	return st.s.Out.Finish(ctx, p, fields)
}

func (st *muxStream) ended() bool { return deadline.Ended(st.s.Done()) }

func (st *muxStream) cut(cause error) { st.s.Reset(http2.Cancel, cause) }

func (st *muxStream) headWithin(d time.Duration) {
	if st.cancel == nil {
		return
	}
	st.m.t.pool.mu.Lock() // called by the sender and by the reader of the head
	defer st.m.t.pool.mu.Unlock()
	if st.timer != nil {
		st.timer.Stop()
		st.timer = nil
	}
	if d > 0 {
		st.timer = time.AfterFunc(d, func() { st.cancel(&TimeoutError{Phase: PhaseHead, After: d}) })
	}
}
