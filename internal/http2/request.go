package http2

import (
	"strings"

	"github.com/weir-go/weir/internal/http1"
)

// Request is the head of a request, as a server reads it. It is valid until Accept returns; its strings stay.
type Request struct {
	Method    string
	Scheme    string
	Authority string // :authority or, without one, Host
	Path      string // "" with plain CONNECT
	Protocol  string // of an extended CONNECT
	Fields    []Field
	Length    int64 // the Content-Length, or -1
	End       bool  // there is no body

	// Refused, if not 0, is the status that the request must be answered with, because it exceeds a limit. Its members
	// may be incomplete.
	Refused int
}

// parse parses a header list, and returns what is wrong with it.
func (r *Request) parse(fields []Field, limits *http1.Limits, connect bool) *StreamError {
	seen, rest, err := r.pseudo(fields)
	if err != nil {
		return err
	}
	if err := r.checkPseudo(seen, limits, connect); err != nil {
		return err
	}
	return r.regular(rest, limits)
}

// Pseudo fields of a request, as bits.
const (
	hasMethod = 1 << iota
	hasScheme
	hasAuthority
	hasPath
	hasProtocol
)

// pseudo takes the pseudo fields at the front, and returns which there are.
func (r *Request) pseudo(fields []Field) (seen int, rest []Field, err *StreamError) {
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || f.Name[0] != ':' {
			return seen, fields[i:], nil
		}
		var bit int
		switch f.Name {
		case ":method":
			r.Method, bit = f.Value, hasMethod
		case ":scheme":
			r.Scheme, bit = f.Value, hasScheme
		case ":authority":
			r.Authority, bit = f.Value, hasAuthority
		case ":path":
			r.Path, bit = f.Value, hasPath
		case ":protocol":
			r.Protocol, bit = f.Value, hasProtocol
		default:
			return 0, nil, malformed("unknown pseudo field")
		}
		if seen&bit != 0 {
			return 0, nil, malformed("pseudo field given twice")
		}
		seen |= bit
	}
	return seen, nil, nil
}

// checkPseudo checks the pseudo fields by the rules of HTTP/1, since the request may be forwarded to a server that
// speaks it.
func (r *Request) checkPseudo(seen int, limits *http1.Limits, connect bool) *StreamError {
	switch {
	case seen&hasMethod == 0:
		return malformed("no :method")
	case !http1.ValidToken(r.Method):
		return malformed("invalid :method")
	case len(r.Method) > limits.Method && limits.Method > 0:
		r.Refused = 400
	case len(r.Path) > limits.StartLine:
		r.Refused = 414
	}
	switch {
	case seen&hasAuthority != 0 && !http1.ValidHost(r.Authority):
		return malformed("invalid :authority")
	case seen&hasProtocol != 0 && (r.Method != "CONNECT" || !connect || !http1.ValidToken(r.Protocol)):
		return malformed("invalid :protocol")
	case r.Method == "CONNECT" && seen&hasProtocol == 0:
		return r.checkConnect(seen)
	case seen&hasScheme == 0 || seen&hasPath == 0:
		return malformed("no :scheme or :path")
	case !validScheme(r.Scheme):
		return malformed("invalid :scheme")
	case !validPath(r.Method, r.Path):
		return malformed("invalid :path")
	}
	return nil
}

// checkConnect checks a plain CONNECT, which has a host and port and nothing else: RFC 9113 8.5.
func (r *Request) checkConnect(seen int) *StreamError {
	if seen != hasMethod|hasAuthority || !http1.ValidTarget("CONNECT", r.Authority) {
		return malformed("invalid CONNECT")
	}
	return nil
}

// validPath reports whether a path is a target of HTTP/1 in origin or asterisk form.
func validPath(method, path string) bool {
	if path == "" || path[0] != '/' && path != "*" {
		return false
	}
	if method == "CONNECT" { // extended
		method = "GET"
	}
	return http1.ValidTarget(method, path)
}

func validScheme(scheme string) bool {
	for i := range len(scheme) {
		c := scheme[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || (scheme[i] < '0' || scheme[i] > '9') && !strings.ContainsRune("+-.", rune(scheme[i]))) {
			return false
		}
	}
	return scheme != ""
}

// regular takes the fields after the pseudo fields.
func (r *Request) regular(fields []Field, limits *http1.Limits) *StreamError {
	r.Length = -1
	host, hosts, cookies := "", 0, 0
	for i := range fields {
		f := &fields[i]
		known, err := checkField(f)
		if err != nil {
			return err
		}
		if len(f.Name)+len(f.Value) > limits.Field {
			r.Refused = 431
		}
		switch known {
		case http1.Host:
			host = f.Value
			hosts++
		case http1.ContentLength:
			if err := parseLength(&r.Length, f.Value); err != nil {
				return err
			}
		case http1.Cookie:
			cookies++
		}
	}
	if cookies > 1 {
		fields = joinCookies(fields)
	}
	if len(fields) > limits.Fields {
		r.Refused = 431
	}
	r.Fields = fields
	if r.Method == "CONNECT" && r.Length > 0 {
		return malformed("CONNECT with a body")
	}
	if r.Method == "CONNECT" {
		r.Length = -1 // what follows belongs to the tunnel
	}
	return r.checkHost(host, hosts)
}

// checkHost requires one authority. Host and :authority must agree.
func (r *Request) checkHost(host string, hosts int) *StreamError {
	switch {
	case hosts > 1:
		return malformed("Host given more than once")
	case hosts == 1 && !http1.ValidHost(host):
		return malformed("invalid Host")
	case r.Authority == "" && hosts == 0:
		return malformed("no authority")
	case r.Authority == "":
		r.Authority = host
	case hosts == 1 && !strings.EqualFold(host, r.Authority):
		return malformed("Host differs from :authority")
	}
	return nil
}

// parseLength parses a Content-Length, which may be given once.
func parseLength(to *int64, value string) *StreamError {
	n := int64(0)
	for i := range len(value) {
		c := value[i]
		if c < '0' || c > '9' || n > (1<<63-1-int64(c-'0'))/10 {
			return malformed("invalid content-length")
		}
		n = n*10 + int64(c-'0')
	}
	if value == "" || *to >= 0 {
		return malformed("invalid content-length")
	}
	*to = n
	return nil
}

// checkField checks a field after the pseudo fields by the rules of RFC 9113 8.2.
func checkField(f *Field) (http1.Known, *StreamError) {
	if !http1.ValidToken(f.Name) {
		return 0, malformed("invalid field name")
	}
	for i := range len(f.Name) {
		if 'A' <= f.Name[i] && f.Name[i] <= 'Z' {
			return 0, malformed("field name in upper case")
		}
	}
	if !http1.ValidValue(f.Value) {
		return 0, malformed("invalid field value")
	}
	known := http1.Lookup(f.Name)
	switch {
	case known.OfConnection():
		return 0, malformed("field of a connection")
	case known == http1.TE && f.Value != "trailers":
		return 0, malformed("te other than trailers")
	}
	return known, nil
}

// joinCookies joins all cookie crumbs to one field, as handlers and HTTP/1 expect: RFC 9113 8.2.3.
func joinCookies(fields []Field) []Field {
	crumbs, kept, at := []string(nil), fields[:0], 0
	for _, f := range fields {
		if f.Name == "cookie" {
			if crumbs = append(crumbs, f.Value); len(crumbs) > 1 {
				continue
			}
			at = len(kept)
		}
		kept = append(kept, f)
	}
	kept[at].Value = strings.Join(crumbs, "; ")
	return kept
}

// checkTrailers checks trailers by the rules and limits.
func checkTrailers(fields []Field, limits *http1.Limits) *StreamError {
	size := 0
	for i := range fields {
		f := &fields[i]
		if strings.HasPrefix(f.Name, ":") {
			return malformed("pseudo field in trailers")
		}
		if _, err := checkField(f); err != nil {
			return err
		}
		size += len(f.Name) + len(f.Value) + fieldOverhead
	}
	if len(fields) > limits.TrailerFields || size > limits.Trailer {
		return &StreamError{Code: EnhanceYourCalm, cause: errTrailers}
	}
	return nil
}
