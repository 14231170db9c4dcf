package httpc

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/http2"
)

// appendFields appends the header list of the request (RFC 9113 8.3).
func (x *exchange) appendFields(fields []http2.Field) []http2.Field {
	add := func(name, value string) {
		if trace := x.trace; trace != nil && trace.WroteHeaderField != nil {
			trace.WroteHeaderField(name, []string{value})
		}
		fields = append(fields, http2.Field{Name: name, Value: value})
	}
	if x.extended {
		add(":method", http.MethodConnect)
		add(":protocol", x.protocol)
	} else {
		add(":method", x.method)
	}
	if x.method == http.MethodConnect {
		add(":authority", x.uri)
	} else {
		add(":scheme", x.to.scheme)
		add(":authority", x.host)
		add(":path", x.uri)
	}
	if agent := x.t.cfg.UserAgent; agent != "-" && !has(x.header, "User-Agent") {
		add("user-agent", agent)
	}
	for _, name := range sortedKeys(x.header) {
		if !x.sendsOverHTTP2(name) {
			continue
		}
		lower := strings.ToLower(name)
		for _, v := range x.header[name] {
			if v = strings.Trim(v, " \t"); lower != "user-agent" || v != "" {
				add(lower, v)
			}
		}
	}
	if x.asksCoding {
		add("accept-encoding", x.t.codings)
	}
	if x.framing.Kind == http1.Sized {
		add("content-length", strconv.FormatInt(x.framing.Length, 10))
	}
	if x.framing.Kind == http1.Chunked && len(x.req.Trailer) > 0 {
		add("trailer", strings.Join(sortedKeys(x.req.Trailer), ", "))
	}
	return fields
}

// sendsOverHTTP2 reports whether a field of the request is sent. Connection-specific fields are not.
func (x *exchange) sendsOverHTTP2(name string) bool {
	switch known := http1.Lookup(name); known {
	case http1.Connection, http1.KeepAlive, http1.ProxyConnection, http1.Upgrade:
		return false
	case http1.TE:
		return len(x.header[name]) == 1 && strings.EqualFold(x.header[name][0], "trailers")
	default:
		if x.omits(known) {
			return false
		}
	}
	return !x.extended || !strings.EqualFold(name, "Sec-WebSocket-Key") // RFC 8441 5
}

// muxHeader returns the fields as in net/http, and the names of the trailers that they announce.
func muxHeader(fields []http2.Field) (header, trailer http.Header) {
	header = make(http.Header, len(fields))
	values := make([]string, 0, len(fields))
	for i := range fields {
		f := &fields[i]
		known := http1.Lookup(f.Name)
		if known == http1.Trailer {
			trailer = announce(trailer, f.Value)
			continue
		}
		name := canonicalName(f.Name, known)
		if old := header[name]; old != nil {
			header[name] = append(old, f.Value)
			continue
		}
		last := len(values)
		values = append(values, f.Value)
		header[name] = values[last : last+1 : last+1]
	}
	return header, trailer
}

func canonicalName(name string, known http1.Known) string {
	if known != http1.Unknown {
		return known.String()
	}
	return http1.Canonical([]byte(name), known)
}
