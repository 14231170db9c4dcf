package httpc

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/weir-go/weir/internal/hostname"
	"github.com/weir-go/weir/internal/http1"
)

// validate checks the whole head of the request before the first byte is written. A request that two parsers might
// interpret differently is not sent.
func (x *exchange) validate() error {
	r := x.req
	if !http1.ValidToken(x.method) {
		return invalid("invalid method %q", x.method)
	}
	if x.method == http.MethodTrace && x.req.Body != nil && x.req.Body != http.NoBody {
		return invalid("a TRACE request has no body (RFC 9110 9.3.8)")
	}
	if x.method == http.MethodConnect && x.req.Body != nil && x.req.Body != http.NoBody {
		return invalid("a CONNECT request has no body: write to the body of the response")
	}
	if r.ContentLength != 0 && r.Body == nil {
		return invalid("the request has a ContentLength of %d and no Body", r.ContentLength)
	}
	if r.ContentLength > 0 && r.Body == http.NoBody {
		return invalid("the request has a ContentLength of %d and http.NoBody", r.ContentLength)
	}
	if err := x.chooseHost(); err != nil {
		return err
	}
	if err := x.chooseURI(); err != nil {
		return err
	}
	if err := x.checkHeader(); err != nil {
		return err
	}
	return x.checkTrailer()
}

// chooseHost sets the value of the Host field.
func (x *exchange) chooseHost() error {
	host := x.req.Host
	if host == "" {
		host = x.url.Host
	}
	if host == x.url.Host && isPlainAuthority(host) {
		x.host = host
		return nil
	}
	host, err := asciiAuthority(host)
	if err != nil {
		return err
	}
	if !http1.ValidHost(host) {
		return invalid("invalid Host %q", host)
	}
	x.host = host
	return nil
}

// isPlainAuthority reports whether host is a name, with or without a port, that needs no conversion.
func isPlainAuthority(host string) bool {
	name, port, found := strings.Cut(host, ":")
	if found {
		for i := range len(port) {
			if port[i] < '0' || port[i] > '9' {
				return false
			}
		}
	}
	return isPlainHost(name)
}

// asciiAuthority returns host[:port] with an ASCII name, or an address without its zone.
func asciiAuthority(host string) (string, error) {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		name, port = host[:i], host[i:]
	}
	if bracketed, ok := strings.CutPrefix(name, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(bracketed, "]"))
		if err != nil {
			return "", invalid("invalid host %q", host)
		}
		return "[" + ip.WithZone("").String() + "]" + port, nil
	}
	if http1.ValidHost(name) {
		return host, nil // keeps its letter case
	}
	ascii, err := hostname.ASCII(name)
	if err != nil {
		return "", invalid("invalid host %q: %v", host, err)
	}
	return ascii + port, nil
}

// chooseURI sets the target of the request line (RFC 9112 3.2).
func (x *exchange) chooseURI() error {
	u := x.url
	switch {
	case x.method == http.MethodConnect:
		x.uri = x.host
		if u.Opaque != "" {
			x.uri = u.Opaque
		}
		if !strings.Contains(x.uri, ":") || strings.HasSuffix(x.uri, "]") {
			x.uri += ":" + portOf(x.to.scheme)
		}
		if u.Path != "" && u.Path != "/" {
			return invalid("a CONNECT request has no path")
		}
	case x.forward:
		plain := *u
		plain.User, plain.Fragment, plain.RawFragment, plain.Host = nil, "", "", x.host
		if plain.Opaque == "" && plain.Path == "" {
			plain.Path = "/"
		}
		x.uri = plain.String()
	default:
		x.uri = u.RequestURI()
	}
	if !http1.ValidTarget(x.method, x.uri) {
		return invalid("invalid request target %q", x.uri)
	}
	return nil
}

// checkHeader checks names and values, and records their meaning for the connection.
func (x *exchange) checkHeader() error {
	x.closes = x.req.Close
	for name, values := range x.header {
		if !http1.ValidToken(name) {
			return invalid("invalid header field name %q", name)
		}
		known := http1.Lookup(name)
		for _, v := range values {
			v = strings.Trim(v, " \t")
			if !http1.ValidValue(v) {
				return invalid("invalid value of the header field %q", name) // it may be a secret
			}
			if known == http1.Expect && !http1.EqualFold(v, "100-continue") {
				return invalid("unknown expectation %q: there is only 100-continue (RFC 9110 10.1.1)", v)
			}
			x.note(known, v)
		}
	}
	return nil
}

// note records what a field means for the connection.
func (x *exchange) note(known http1.Known, value string) {
	switch known {
	case http1.Expect:
		x.expects = true
	case http1.Connection:
		if http1.HasToken([]byte(value), "close") {
			x.closes = true
		}
	case http1.Upgrade:
		for proto := range strings.SplitSeq(value, ",") {
			if proto = strings.ToLower(strings.Trim(proto, " \t")); proto != "" {
				x.upgrade = append(x.upgrade, proto)
			}
		}
	}
}

// checkTrailer checks the names of announced trailers. Values are checked when they are known.
func (x *exchange) checkTrailer() error {
	for name := range x.req.Trailer {
		if !http1.ValidToken(name) || !http1.Lookup(name).InTrailer() {
			return invalid("invalid trailer %q", name)
		}
	}
	return nil
}
