package httpd

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

var (
	errServed = context.Canceled // how the context of a request ends that was served
	errShort  = errors.New("httpd: reply shorter than its Content-Length")
)

// snapshot puts the header into fields and plan. What the handler changes later counts for trailers only.
func (w *streamResponse) snapshot() {
	w.fields = append(w.inline[:0], http2.Field{Name: ":status", Value: statusText(w.status)})
	if len(w.header) == 0 {
		return
	}
	var prefixed bool
	w.fields, prefixed = appendHeaderFields(w.fields, w.header, w.note)
	w.plan.hasTrailers = w.plan.hasTrailers || prefixed
	for _, name := range [...]string{"Content-Type", "Date", "Server"} {
		if values, ok := w.header[name]; ok && len(values) == 0 {
			w.plan.noteNil(http1.Lookup(name))
		}
	}
}

func statusText(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}

// note notes a field, and reports whether it is sent as it is.
func (w *streamResponse) note(k http1.Known, value string) (sent bool) {
	switch k {
	case http1.ContentLength:
		w.noteLength(value)
		return false
	case http1.Connection:
		if http1.HasToken([]byte(value), "close") {
			w.closeAfter() // as net/http does
		}
		return false
	}
	return w.noteCommon(k, value)
}

// appendHeaderFields appends the fields of h, by name, that keep lets through. Invalid ones are left out, and so are those
// of TrailerPrefix, which it reports.
func appendHeaderFields(dst []http2.Field, h http.Header, keep func(k http1.Known, value string) bool) (_ []http2.Field, trailers bool) {
	var few [16]string
	names := few[:0]
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			trailers = true
		} else if http1.ValidToken(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		known := http1.Lookup(name)
		for _, value := range h[name] {
			if keep(known, value) {
				dst = appendFieldOf(dst, name, known, value)
			}
		}
	}
	return dst, trailers
}

// appendFieldOf appends a field of a handler: of a head, informational or not, or of trailers. CR and LF in its value become
// spaces, as in net/http; what is invalid all the same is left out, and so are the fields that responses of HTTP/2 do not
// have (RFC 9113 8.2.2).
func appendFieldOf(dst []http2.Field, name string, known http1.Known, value string) []http2.Field {
	if known.OfConnection() || known == http1.TE {
		return dst
	}
	if !http1.ValidValue(value) {
		value = strings.Trim(lineBreaks.Replace(value), " \t")
		if !http1.ValidValue(value) {
			return dst
		}
	}
	lower := known.Lower()
	if known == http1.Unknown {
		lower = strings.ToLower(name)
	}
	return append(dst, http2.Field{Name: lower, Value: value})
}

var lineBreaks = strings.NewReplacer("\r", " ", "\n", " ")

// head returns the head of the reply. last says that the handler has returned, and that body, which is what follows, is all
// there is.
func (w *streamResponse) head(body []byte, last bool) []http2.Field {
	w.headDone = true
	w.rec.headSent()
	p, cfg := &w.plan, &w.conn.srv.cfg
	if last && w.length < 0 && (!w.isHead || w.written > 0) {
		w.length = w.written
	}
	if w.length >= 0 && bodyAllowed(w.status) && !w.tunnels() {
		w.add("content-length", strconv.FormatInt(w.length, 10))
	}
	if !p.hasType && !p.hasCoding && len(body) > 0 && bodyAllowed(w.status) {
		w.add("content-type", http.DetectContentType(body))
	}
	if !p.hasDate && !cfg.NoDate {
		w.add("date", dateNow().value)
	}
	if cfg.ServerName != "" && !p.hasServer {
		w.add("server", cfg.ServerName)
	}
	return w.fields
}

func (w *streamResponse) add(name, value string) {
	w.fields = append(w.fields, http2.Field{Name: name, Value: value})
}

// tunnels reports whether the reply makes a tunnel of the stream: RFC 9110 9.3.6.
func (w *streamResponse) tunnels() bool {
	return w.req.Method == http.MethodConnect && w.status >= 200 && w.status < 300
}

// trailers returns the fields behind the body: those that were announced, and those of TrailerPrefix.
func (w *streamResponse) trailers() (fields []http2.Field) {
	if !w.plan.hasTrailers && len(w.header) == 0 || w.isHead || !bodyAllowed(w.status) {
		return nil
	}
	for _, name := range w.plan.trailers {
		for _, value := range w.header[name] {
			fields = appendFieldOf(fields, name, http1.Lookup(name), value)
		}
	}
	var prefixed []string
	for name := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			prefixed = append(prefixed, name)
		}
	}
	slices.Sort(prefixed)
	for _, key := range prefixed {
		name := strings.TrimPrefix(key, http.TrailerPrefix)
		if !http1.ValidToken(name) || !http1.Lookup(name).InTrailer() {
			continue
		}
		for _, value := range w.header[key] {
			fields = appendFieldOf(fields, name, http1.Lookup(name), value)
		}
	}
	return fields
}
