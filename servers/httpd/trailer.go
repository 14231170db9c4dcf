package httpd

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/weir-go/weir/internal/http1"
)

// checkTrailer returns an error if a trailer field is invalid. Fields that frame, route, authenticate or describe a
// message are not allowed in trailers (RFC 9110 6.5.1).
func checkTrailer(name, value string) error {
	switch {
	case !http1.ValidToken(name) || !http1.ValidValue(value):
		return fmt.Errorf("httpd: %w: trailer %q: %q", errInvalid, name, value)
	case !http1.Lookup(name).InTrailer():
		return fmt.Errorf("httpd: %w: field %q in a trailer", errInvalid, name)
	}
	return nil
}

// errNoTrailers is returned by AddTrailer for a reply that has started with a length.
var errNoTrailers = errors.New("httpd: a reply that has begun with its length has no trailers")

// AddTrailer adds a trailer field to the reply, such as a digest of its body. It may be called until the handler
// returns, except for a reply that has started with a length and without a trailer. On HTTP/1 a reply that starts with a
// trailer has no length. An invalid name or value, and a field not allowed in trailers (RFC 9110 6.5.1), is an error and
// changes nothing. HTTP/1.0 clients, and replies to HEAD, get no trailers.
func (x Exchange) AddTrailer(name, value string) error {
	e := x.valid()
	if e.taken() {
		return errHTTPTaken
	}
	if err := checkTrailer(name, value); err != nil {
		return err
	}
	if o := e.over; o != nil {
		if o.sized {
			return errNoTrailers
		}
		if !o.w.begun() {
			o.w.Header().Add("Trailer", name)
		}
		if w, ok := o.w.(*response); ok {
			w.plan.hasTrailers = true // which needs a chunked body
		}
		o.w.Header().Add(http.TrailerPrefix+name, value)
		return nil
	}
	w := &e.resp
	if w.wroteHeader && w.length >= 0 && !w.plan.unsized {
		return errNoTrailers
	}
	if !w.wroteHeader {
		e.conn.lines = http1.AppendField(e.conn.lines, "Trailer", name)
	}
	w.plan.hasTrailers = true
	e.conn.tail = http1.AppendField(e.conn.tail, name, value)
	return nil
}

// Trailer returns the first value of a trailer field of the request, or "". Trailers are available after Read has
// returned io.EOF.
func (x Exchange) Trailer(name string) string {
	e := x.valid()
	if e.over != nil {
		return e.over.r.Trailer.Get(name)
	}
	return e.req.Trailer.Get(name)
}

// WithTrailer returns a copy of resp with a trailer field. value is called after the body has been sent, so it can
// return a digest or a count of it; if it returns "", the field is omitted. The header announces the name.
//
//	hash := sha256.New()
//	...
//	return httpd.ByteStream(src).WithTrailer("Repr-Digest", func() string { return digest(hash) }), nil
//
// A name that is invalid or not allowed in trailers (RFC 9110 6.5.1), and a Response of a file, make the Response
// invalid. An invalid value truncates the reply. On HTTP/1 the body then has no Content-Length. HTTP/1.0 clients, and
// replies to HEAD, get no trailers.
func (resp Response) WithTrailer(name string, value func() string) Response {
	if value == nil {
		panic("httpd: WithTrailer: value is nil")
	}
	resp.trailers = maps.Clone(resp.trailers)
	if resp.trailers == nil {
		resp.trailers = map[string]func() string{}
	}
	resp.trailers[http.CanonicalHeaderKey(name)] = value
	return resp
}

// checkTrailers returns an error if the trailers are not allowed or a name is invalid. The values are checked by trail.
func (resp Response) checkTrailers() error {
	if _, ok := resp.body.(*fileBody); ok && len(resp.trailers) > 0 {
		return fmt.Errorf("httpd: %w: a file has no trailers", errInvalid)
	}
	for name := range resp.trailers {
		if err := checkTrailer(name, ""); err != nil {
			return err
		}
	}
	return nil
}

// announce sets the Trailer field.
func (resp Response) announce(h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(resp.trailers)) {
		h.Add("Trailer", name)
		h.Del(name)
	}
}

// trail sets the trailers after the body has been sent.
func (resp Response) trail(h http.Header) error {
	for name, value := range resp.trailers {
		v := value()
		if err := checkTrailer(name, v); err != nil {
			return begun{err}
		}
		if v != "" {
			h.Set(name, v)
		}
	}
	return nil
}
