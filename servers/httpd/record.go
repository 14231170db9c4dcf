package httpd

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// accessRecord collects an Access. Without Hooks it is nil.
type accessRecord struct {
	Access
	srv    *Server
	nc     *chanio.Conn
	before chanio.ConnStats // of a connection that was hijacked, then
}

// newRecord returns a record of a request, or nil if nobody wants it.
func (s *Server) newRecord(from *origin) *accessRecord {
	if s.cfg.Hooks == nil {
		return nil
	}
	return &accessRecord{srv: s, nc: from.on.nc, Access: Access{Arrived: from.arrived, StreamID: from.stream, Remote: from.on.remote}}
}

// about notes what the head of a request says.
func (rec *accessRecord) about(r *http.Request) {
	if rec == nil {
		return
	}
	s := rec.srv
	rec.Protocol, rec.Method, rec.Target, rec.Host = r.Proto, r.Method, r.RequestURI, r.Host
	rec.UserAgent, rec.Referer = r.UserAgent(), s.shownURL(r.Referer())
	rec.Client = s.clientAddr(rec.Remote, r.Header[s.cfg.forwardedField()])
}

// aboutHead is about for a head that no http.Request is made of.
func (rec *accessRecord) aboutHead(h *http1.RequestHead) {
	if rec == nil {
		return
	}
	s := rec.srv
	rec.Protocol, rec.Method, rec.Target, rec.Host = protoOf(h.Minor), string(h.Method()), string(h.Target()), string(h.Authority)
	rec.UserAgent, rec.Referer = fieldIn(&h.Fields, "User-Agent"), s.shownURL(fieldIn(&h.Fields, "Referer"))
	rec.Client = s.clientAddr(rec.Remote, s.forwardedIn(&h.Fields))
}

// fieldIn returns the first value of a field, "" if there is none.
func fieldIn(f *http1.Fields, name string) string {
	for i := range f.Len() {
		if equalFold(f.Name(i), name) {
			return string(f.Value(i))
		}
	}
	return ""
}

// shownURL returns a URL without the user name and password in it.
func (s *Server) shownURL(url string) string {
	if s.cfg.ShowSecrets {
		return url
	}
	start := strings.Index(url, "//") + len("//")
	if start < len("//") {
		start = 0
	}
	end := len(url)
	if n := strings.IndexAny(url[start:], "/?#"); n >= 0 {
		end = start + n
	}
	if at := strings.LastIndexByte(url[start:end], '@'); at >= 0 {
		return url[:start] + url[start+at+1:]
	}
	return url
}

// began tells that the handler is about to be called.
func (rec *accessRecord) began() {
	if rec != nil && rec.srv.cfg.Hooks.Began != nil {
		rec.srv.tell("Began", rec.srv.cfg.Hooks.Began, rec.Access)
	}
}

// note notes why the exchange has failed, unless that is known.
func (rec *accessRecord) note(err error) {
	if rec != nil && rec.Err == nil {
		rec.Err = err
	}
}

// headSent notes that the head of the reply is handed over.
func (rec *accessRecord) headSent() {
	if rec != nil && rec.Latency == 0 {
		rec.Latency = time.Since(rec.Arrived)
	}
}

// streams notes that the reply leaves piece by piece.
func (rec *accessRecord) streams() {
	if rec != nil {
		rec.Kind = Streamed
	}
}

// fill notes what is known when the handler has returned, or has taken the connection.
func (rec *accessRecord) fill(o *output) {
	if o.headDone {
		rec.Status = o.status
	}
	if rec.Sent = o.written; !o.finished || o.wasReset {
		rec.Sent -= int64(o.n)
	}
	if o.length >= 0 {
		rec.Sent = min(rec.Sent, o.length) // what was too much has not been taken
	}
	if o.isHead {
		rec.Sent = 0
	}
	if o.req != nil {
		rec.Pattern = o.req.Pattern
	}
}

// tunnels notes that the connection has been taken.
func (rec *accessRecord) tunnels(o *output) {
	if rec == nil {
		return
	}
	rec.fill(o)
	rec.Kind, rec.Sent, rec.before = Tunneled, 0, rec.nc.Stats()
}

// noteSwitched notes that the connection, which has been taken from w, has been answered with 101.
func noteSwitched(w http.ResponseWriter) {
	if own, ok := unwrapped(w).(*response); ok && own.rec != nil {
		own.rec.Status = http.StatusSwitchingProtocols
		own.rec.headSent()
	}
}

// ended tells that the exchange is over. x is the context of its request, or nil.
func (rec *accessRecord) ended(x *requestContext) {
	rec.Duration = time.Since(rec.Arrived)
	if x != nil {
		rec.blame(x)
	}
	if f := rec.srv.cfg.Hooks.Ended; f != nil {
		rec.srv.tell("Ended", f, rec.Access)
	}
}

// blame notes that the client has left, which explains other errors but a panic.
func (rec *accessRecord) blame(x *requestContext) {
	cause, gone := x.why()
	why := ErrClientGone
	var reset *StreamError
	switch errors.As(cause, &reset); {
	case gone:
	case reset == nil:
		return
	case !reset.Remote:
		rec.note(reset)
		return
	default:
		why = fmt.Errorf("%w: %w", ErrClientGone, reset)
	}
	var panicked *chanio.PanicError
	if !errors.As(rec.Err, &panicked) || panicked.Value == http.ErrAbortHandler {
		rec.Err = why
	}
}

// closed tells that a connection has been closed that was hijacked.
func (rec *accessRecord) closed() {
	now := rec.nc.Stats()
	rec.Received, rec.Sent = now.BytesIn-rec.before.BytesIn, now.BytesOut-rec.before.BytesOut
	rec.note(rec.nc.Cause())
	rec.ended(nil)
}

// refused tells of a request that no handler has seen, and that was answered with status.
func (rec *accessRecord) refused(status int, err error) {
	if rec == nil {
		return
	}
	if rec.Kind, rec.Status, rec.Err = Refused, status, err; status != 0 {
		rec.headSent()
	}
	rec.ended(nil)
}

// tell calls a hook.
func (s *Server) tell(what string, f func(Access), a Access) {
	defer func() {
		if v := recover(); v != nil { // runtime.Goexit ends the goroutine of the request, as in a handler
			failure := chanio.Recovered(v)
			s.log.Error("httpd: panic in Hooks."+what, "panic", failure.Error(), "stack", string(failure.Stack))
		}
	}()
	f(a)
}
