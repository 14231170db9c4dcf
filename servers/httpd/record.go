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

// accessRecord collects an Access. It is nil if there are no Hooks.
type accessRecord struct {
	Access
	srv    *Server
	nc     *chanio.Conn
	before chanio.ConnStats // at the time of the hijack
	failed bool             // Err is what a handler returned
}

// newRecord returns a record for a request, or nil if there are no Hooks.
func (c *conn) newRecord(from *origin) *accessRecord {
	if c.srv.cfg.Hooks == nil {
		return nil
	}
	return &accessRecord{srv: c.srv, nc: c.nc, Access: Access{Arrived: from.arrived, StreamID: from.stream, Remote: c.remote}}
}

// about records the head of a request.
func (rec *accessRecord) about(r *http.Request) {
	if rec == nil {
		return
	}
	s := rec.srv
	rec.Protocol, rec.Method, rec.Target, rec.Host = r.Proto, r.Method, r.RequestURI, r.Host
	rec.UserAgent, rec.Referer = r.UserAgent(), s.shownURL(r.Referer())
	rec.Client = s.clientAddr(rec.Remote, r.Header[s.cfg.forwardedField()])
}

// aboutHead is about for a head without an http.Request.
func (rec *accessRecord) aboutHead(h *http1.RequestHead) {
	if rec == nil {
		return
	}
	s := rec.srv
	rec.Protocol, rec.Method, rec.Target, rec.Host = protoOf(h.Minor), string(h.Method()), string(h.Target()), string(h.Authority)
	rec.UserAgent, rec.Referer = fieldIn(&h.Fields, "User-Agent"), s.shownURL(fieldIn(&h.Fields, "Referer"))
	rec.Client = s.clientAddr(rec.Remote, s.forwardedIn(&h.Fields))
}

// fieldIn returns the first value of a field, or "".
func fieldIn(f *http1.Fields, name string) string {
	for i := range f.Len() {
		if equalFold(f.Name(i), name) {
			return string(f.Value(i))
		}
	}
	return ""
}

// shownURL returns a URL without its user name and password, unless Config.ShowSecrets is set.
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

// began calls Hooks.Began.
func (rec *accessRecord) began() {
	if rec != nil && rec.srv.cfg.Hooks.Began != nil {
		rec.srv.tell("Began", rec.srv.cfg.Hooks.Began, rec.Access)
	}
}

// note records the reason why the exchange failed, unless one was recorded before.
func (rec *accessRecord) note(err error) {
	if rec != nil && rec.Err == nil {
		rec.Err = err
	}
}

// headSent records the time at which the head of the reply was written.
func (rec *accessRecord) headSent() {
	if rec != nil && rec.Latency == 0 {
		rec.Latency = time.Since(rec.Arrived)
	}
}

// streams records that the reply is streamed.
func (rec *accessRecord) streams() {
	if rec != nil {
		rec.Kind = Streamed
	}
}

// fill records what is known when the handler has returned or has taken over the connection.
func (rec *accessRecord) fill(o *output) {
	if o.headDone {
		rec.Status = o.status
	}
	if rec.Sent = o.written; !o.finished || o.wasReset {
		rec.Sent -= int64(o.n)
	}
	if o.isHead || !o.headDone {
		rec.Sent = 0
	}
	if o.req != nil {
		rec.Pattern = o.req.Pattern
	}
}

// tunnels records that the connection was taken over.
func (rec *accessRecord) tunnels(o *output) {
	if rec == nil {
		return
	}
	rec.fill(o)
	rec.Kind, rec.Sent, rec.before = Tunneled, 0, rec.nc.Stats()
}

// noteSwitched records that 101 was sent on the connection that was taken over from w.
func noteSwitched(w http.ResponseWriter) {
	if own, ok := unwrapped(w).(*response); ok && own.rec != nil {
		own.rec.Status = http.StatusSwitchingProtocols
		own.rec.headSent()
	}
}

// ended calls Hooks.Ended. x is the context of the request, or nil.
func (rec *accessRecord) ended(x *requestContext) {
	rec.Duration = time.Since(rec.Arrived)
	if x != nil {
		rec.blame(x)
	}
	if f := rec.srv.cfg.Hooks.Ended; f != nil {
		rec.srv.tell("Ended", f, rec.Access)
	}
}

// fails records that a handler's function failed while the client was there.
func (rec *accessRecord) fails(err error) {
	if rec != nil && rec.Err == nil {
		rec.Err, rec.failed = err, true
	}
}

// blame records that the client has disconnected. This replaces every other error except a panic and that of fails.
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
	if !rec.failed && (!errors.As(rec.Err, &panicked) || panicked.Value == http.ErrAbortHandler) {
		rec.Err = why
	}
}

// closed records the end of a hijacked connection.
func (rec *accessRecord) closed() {
	now := rec.nc.Stats()
	rec.Received, rec.Sent = now.BytesIn-rec.before.BytesIn, now.BytesOut-rec.before.BytesOut
	rec.note(rec.nc.Cause())
	rec.ended(nil)
}

// refused records a request that was answered with status without calling a handler.
func (rec *accessRecord) refused(status int, err error) {
	if rec == nil {
		return
	}
	if rec.Kind, rec.Status, rec.Err = Refused, status, err; status != 0 {
		rec.headSent()
	}
	rec.ended(nil)
}

// tell calls a hook and recovers a panic.
func (s *Server) tell(what string, f func(Access), a Access) {
	defer func() {
		if v := recover(); v != nil { // runtime.Goexit ends the goroutine of the request, as in a handler
			failure := chanio.Recovered(v)
			s.log.Error("httpd: panic in Hooks."+what, "panic", failure.Error(), "stack", string(failure.Stack))
		}
	}()
	f(a)
}
