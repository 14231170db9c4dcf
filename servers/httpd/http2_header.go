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
	errServed = context.Canceled // cause of the end of a context after the request was served
	errShort  = errors.New("httpd: reply shorter than its Content-Length")
)

// snapshot stores the header in fields and plan. Later changes by the handler affect only trailers.
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

// note records a field in the plan, and reports whether it is sent unchanged.
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

// appendHeaderFields appends the fields of h that keep accepts, sorted by name. It omits invalid fields and those of
// TrailerPrefix, and reports whether there were any of the latter.
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

// appendFieldOf appends a field of a head or of trailers. CR and LF in its value become spaces, as in net/http. It
// omits fields that are still invalid and those that are not allowed in HTTP/2 (RFC 9113 8.2.2).
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

// head returns the head of the reply. last reports whether the handler has returned and body is the whole body.
func (w *streamResponse) head(body []byte, last bool) []http2.Field {
	w.headDone = true
	w.rec.headSent()
	if w.body != nil {
		w.body.asked.replyBegins() // not earlier, or a client that waits for 100 and a handler that reads would never meet
	}
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

// tunnels reports whether the reply turns the stream into a tunnel: RFC 9110 9.3.6.
func (w *streamResponse) tunnels() bool {
	return w.req.Method == http.MethodConnect && w.status >= 200 && w.status < 300
}

// trailers returns the announced trailers and the fields of TrailerPrefix.
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
