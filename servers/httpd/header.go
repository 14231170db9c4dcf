package httpd

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// plan is what a handler's header determines about its reply, as of WriteHeader.
type plan struct {
	hasType, hasCoding, hasDate, hasServer bool
	hasTransfer, identity                  bool // Transfer-Encoding, and whether it is identity
	close, alive                           bool // the options of Connection
	saysClose                              bool // in a line that is sent unchanged
	hasTrailers                            bool // announced, or by TrailerPrefix
	unsized                                bool // the length is not sent, because trailers follow
	trailers                               []string
}

// bodyAllowed reports whether a response with this status has a body.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}

// snapshot stores the header in lines and plan. Later changes by the handler affect only trailers. A native handler has
// no header; its fields are there already.
func (w *response) snapshot() {
	w.length = -1
	if len(w.header) == 0 {
		return
	}
	var prefixed bool
	w.conn.lines, prefixed = w.appendFields(w.conn.lines, w.note)
	w.plan.hasTrailers = w.plan.hasTrailers || prefixed
}

// note records a field in the plan, and reports whether its line is sent unchanged.
func (w *response) note(k http1.Known, value string) (sent bool) {
	switch k {
	case http1.ContentLength:
		w.noteLength(value)
		return false
	case http1.TransferEncoding:
		if !w.plan.hasTransfer { // the first one decides, as in net/http
			w.plan.hasTransfer, w.plan.identity = true, value == "identity"
		}
		return false
	case http1.Connection:
		return w.noteConnection(value)
	}
	return w.noteCommon(k, value)
}

// noteCommon is note for the fields that have the same meaning in both versions.
func (o *output) noteCommon(k http1.Known, value string) (sent bool) {
	p := &o.plan
	switch k {
	case http1.ContentType:
		p.hasType = true
		return o.status != http.StatusNotModified // RFC 9110 15.4.5
	case http1.ContentEncoding:
		p.hasCoding = p.hasCoding || value != ""
	case http1.Date:
		p.hasDate = true
	case http1.Server:
		p.hasServer = true
	case http1.Trailer:
		p.announce(value)
	}
	return true
}

// noteConnection records a Connection field. A field that contains only close or keep-alive is not sent, because
// appendConnection adds it.
func (w *response) noteConnection(value string) bool {
	p := &w.plan
	closes, alive := http1.HasToken([]byte(value), "close"), http1.HasToken([]byte(value), "keep-alive")
	p.close, p.alive = p.close || closes, p.alive || alive
	if http1.EqualFold(value, "close") || http1.EqualFold(value, "keep-alive") {
		return false
	}
	p.saysClose = p.saysClose || closes
	return true
}

// noteLength records a Content-Length, which is sent with the framing, if at all.
func (o *output) noteLength(value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		o.conn.srv.log.Warn("httpd: invalid Content-Length", "value", value, "target", o.req.RequestURI)
		return
	}
	if o.length < 0 {
		o.length = n
	}
}

// announce records the names in a Trailer field.
func (p *plan) announce(list string) {
	p.hasTrailers = true
	for name := range strings.SplitSeq(list, ",") {
		name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
		if http1.ValidToken(name) && http1.Lookup(name).InTrailer() {
			p.trailers = append(p.trailers, name)
		}
	}
}

// appendFields appends the header lines that keep accepts, sorted by name. It omits invalid names and the fields of
// TrailerPrefix, and reports whether there were any of the latter.
func (w *response) appendFields(dst []byte, keep func(k http1.Known, value string) bool) (_ []byte, trailers bool) {
	c := w.conn
	c.names = c.names[:0]
	for name := range w.header {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	for _, name := range c.names {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			trailers = true
			continue
		}
		if !http1.ValidToken(name) {
			continue
		}
		known, values := http1.Lookup(name), w.header[name]
		if len(values) == 0 {
			w.plan.noteNil(known)
		}
		for _, value := range values {
			if keep(known, value) {
				dst = appendLine(dst, name, value)
			}
		}
	}
	return dst, trailers
}

// noteNil records a field without values, which suppresses the server's own.
func (p *plan) noteNil(k http1.Known) {
	switch k {
	case http1.ContentType:
		p.hasType = true
	case http1.Date:
		p.hasDate = true
	case http1.Server:
		p.hasServer = true
	}
}

// appendLine appends a field line. CR and LF in the value become spaces, as in net/http.
func appendLine(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	start := len(dst)
	dst = append(dst, strings.Trim(value, " \t\r\n")...)
	if added := dst[start:]; bytes.IndexByte(added, '\n') >= 0 || bytes.IndexByte(added, '\r') >= 0 {
		for i, c := range added {
			if c == '\r' || c == '\n' {
				added[i] = ' '
			}
		}
	}
	return append(dst, "\r\n"...)
}

// appendHead appends the head of the reply and prepares the writer for its body. last reports whether the handler has
// returned and body is the whole body.
func (w *response) appendHead(dst, body []byte, last bool) []byte {
	w.headDone = true
	w.rec.headSent()
	w.frame(last)
	if status := w.overrule(last); status != 0 {
		return w.appendRefusal(dst, status)
	}
	w.conn.writer.Reset(w.conn.sink, w.sentFraming())
	dst = http1.AppendStatusLine(dst, w.status)
	dst = append(dst, w.conn.lines...)
	dst = http1.AppendFraming(dst, w.framing)
	dst = w.appendType(dst, body)
	dst = w.appendConnection(dst)
	cfg := &w.conn.srv.cfg
	if !w.plan.hasDate && !cfg.NoDate {
		dst = appendDate(dst)
	}
	if cfg.ServerName != "" && !w.plan.hasServer {
		dst = http1.AppendField(dst, "Server", cfg.ServerName)
	}
	return http1.AppendHeadEnd(dst)
}

// overrule returns the status of a refusal that replaces the handler's reply, or 0. A successful reply is replaced if
// the body of its request is malformed, or if it grants CONNECT and no tunnel was opened (RFC 9110 9.3.6).
func (w *response) overrule(last bool) int {
	switch {
	case w.status < http.StatusBadRequest && w.body.fault() != 0:
		return w.body.fault()
	case last && w.grantsTunnel():
		return http.StatusNotImplemented
	}
	return 0
}

// appendRefusal appends a refusal that replaces the head and everything the handler writes.
func (w *response) appendRefusal(dst []byte, status int) []byte {
	w.overruled, w.keepAlive, w.status, w.framing = true, false, status, http1.Framing{}
	w.conn.writer.Reset(w.conn.sink, w.framing)
	return w.conn.appendRefusal(dst, status, w.isHead)
}

// grantsTunnel reports whether the reply grants a CONNECT request.
func (w *response) grantsTunnel() bool { return w.isConnect && w.status >= 200 && w.status < 300 }

// sentFraming returns the framing of the bytes that are sent: none in reply to HEAD.
func (w *response) sentFraming() http1.Framing {
	if w.isHead {
		return http1.Framing{}
	}
	return w.framing
}

// frame determines the framing of the body and whether the connection continues.
func (w *response) frame(last bool) {
	p := &w.plan
	if p.hasTransfer && !p.identity {
		w.length = -1 // Content-Length must not be sent with Transfer-Encoding
	}
	if last && !p.hasTransfer && !p.hasTrailers && w.length < 0 && (!w.isHead || w.written > 0) {
		w.length = w.written
	}
	switch {
	case w.grantsTunnel(): // it has no length: RFC 9110 9.3.6
		w.framing = http1.Framing{Kind: http1.UntilClose}
	case w.status == http.StatusResetContent: // its head does not say that it has no body: RFC 9110 15.3.6
		w.framing = http1.Framing{Kind: http1.Sized}
	case !bodyAllowed(w.status):
		w.framing = http1.Framing{}
	case w.length >= 0 && !p.unsized:
		w.framing = http1.Framing{Kind: http1.Sized, Length: w.length}
	case w.isHead:
		w.framing = http1.Framing{}
	case w.http11 && !p.identity:
		w.framing = http1.Framing{Kind: http1.Chunked}
	default:
		w.framing = http1.Framing{Kind: http1.UntilClose}
	}
	w.decide()
}

// decide decides whether the connection continues after this reply.
func (w *response) decide() {
	switch {
	case w.plan.close, w.framing.Kind == http1.UntilClose, w.status == http.StatusSwitchingProtocols, w.conn.draining.Load(),
		w.body != nil && w.body.mayBeSkipped():
		w.keepAlive = false
	}
	if w.body != nil && w.keepAlive && !w.body.both.Load() {
		w.keepAlive = w.body.settle()
	}
}

// appendType appends the Content-Type detected from the first bytes of the body, if the handler set none.
func (w *response) appendType(dst, body []byte) []byte {
	p := &w.plan
	if p.hasType || p.hasCoding || p.hasTransfer || len(body) == 0 || !bodyAllowed(w.status) {
		return dst
	}
	return http1.AppendField(dst, "Content-Type", http.DetectContentType(body))
}

// appendConnection appends a Connection field, unless the handler set one or the default of the version applies.
func (w *response) appendConnection(dst []byte) []byte {
	switch {
	case w.status == http.StatusSwitchingProtocols:
		return dst
	case !w.keepAlive && !w.plan.saysClose:
		return append(dst, "Connection: close\r\n"...)
	case w.keepAlive && (!w.http11 || w.plan.alive):
		return append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// appendTrailers appends the announced trailers and the fields of TrailerPrefix.
func (w *response) appendTrailers(dst []byte) []byte {
	dst = append(dst, w.conn.tail...)
	if !w.plan.hasTrailers && len(w.header) == 0 {
		return dst
	}
	for _, name := range w.plan.trailers {
		for _, value := range w.header[name] {
			dst = appendLine(dst, name, value)
		}
	}
	c := w.conn
	c.names = c.names[:0]
	for name := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			c.names = append(c.names, name)
		}
	}
	slices.Sort(c.names)
	for _, key := range c.names {
		name := strings.TrimPrefix(key, http.TrailerPrefix)
		if !http1.ValidToken(name) || !http1.Lookup(name).InTrailer() {
			continue
		}
		for _, value := range w.header[key] {
			dst = appendLine(dst, http.CanonicalHeaderKey(name), value)
		}
	}
	return dst
}
