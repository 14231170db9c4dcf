package httpd

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// given is a request and its context, in one allocation that is never reused. The writer of the reply and the URL are
// allocated separately: a handler may keep a request, or only its URL.
type given struct {
	ctx requestContext
	req http.Request
}

// blank is the request from which others are copied with WithContext, the only way to set a context.
var blank http.Request

func newGiven(from origin) *given {
	g := new(given)
	g.ctx.from = from
	g.req = *blank.WithContext(&g.ctx) // inlined, so that this allocates nothing
	return g
}

// newRequest returns the request for the head that has been read, and its context. Its strings share one copy of the
// head. Its URL is nil if the target is not a URL, and its Body if there is none.
func (c *conn) newRequest(from origin) (*http.Request, *requestContext) {
	g := newGiven(from)
	h, r := &c.head, &g.req
	r.RemoteAddr, r.TLS = c.remote, c.secure
	text := string(h.Bytes())
	r.Method, r.RequestURI = h.MethodIn(text), h.TargetIn(text)
	r.Proto, r.ProtoMajor, r.ProtoMinor = protoOf(h.Minor), 1, h.Minor
	r.URL = urlOf(h.Form, r.RequestURI)
	r.Host = h.AuthorityIn(text)
	r.Header = headerOf(r, &h.Fields, text)
	r.Close = !h.KeepAlive
	switch h.Framing.Kind {
	case http1.Sized:
		r.ContentLength = h.Framing.Length
	case http1.Chunked:
		r.ContentLength = -1
		r.TransferEncoding = []string{"chunked"}
	}
	if r.ContentLength != 0 {
		r.Body = http.NoBody // replaced if there is a body
	}
	return r, &g.ctx
}

// urlOf returns the URL for a target as net/http parses it, or nil.
func urlOf(form http1.Form, target string) *url.URL {
	switch {
	case form == http1.Origin && isPlainPath(target):
		path, query, asked := strings.Cut(target, "?")
		return &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
	case form == http1.Authority:
		target = "http://" + target
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	if form == http1.Authority {
		u.Scheme = ""
	}
	return u
}

// isPlainPath reports whether the path of a target consists only of characters that escaping does not change.
func isPlainPath(target string) bool {
	for i := range len(target) {
		switch c := target[i]; {
		case c == '?':
			return true
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// headerOf returns the fields in the form of net/http: without Host, Transfer-Encoding and Trailer, which are members
// of r.
func headerOf(r *http.Request, f *http1.Fields, text string) http.Header {
	header := http.Header(f.Map(text, func(k http1.Known, i int) bool {
		if k == http1.Trailer {
			announceTrailers(r, f.ValueIn(text, i))
		}
		return k == http1.Host || k == http1.TransferEncoding || k == http1.Trailer
	}))
	if pragma := header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && header["Cache-Control"] == nil {
		header["Cache-Control"] = []string{"no-cache"} // as net/http does
	}
	return header
}

// announceTrailers records the trailers that the request announces.
func announceTrailers(r *http.Request, list string) {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, " \t")
		known := http1.Unknown
		if !http1.ValidToken(name) {
			continue
		}
		if known = http1.Lookup(name); !known.InTrailer() {
			continue
		}
		if r.Trailer == nil {
			r.Trailer = http.Header{}
		}
		r.Trailer[http1.Canonical([]byte(name), known)] = nil
	}
}

// mergeTrailers adds the received trailers to r, except those that are not allowed in trailers.
func mergeTrailers(r *http.Request, f *http1.Fields) {
	for i := range f.Len() {
		if !f.Known(i).InTrailer() {
			continue
		}
		if r.Trailer == nil {
			r.Trailer = http.Header{}
		}
		name := http1.Canonical(f.Name(i), f.Known(i))
		r.Trailer[name] = append(r.Trailer[name], string(f.Value(i)))
	}
}
