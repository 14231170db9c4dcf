package http1

import "bytes"

// Form is one of the four forms of a request target, RFC 9112 3.2.
type Form uint8

const (
	Origin    Form = iota // /path?query
	Absolute              // http://host/path
	Authority             // host:port, with CONNECT only
	Asterisk              // *, with OPTIONS only
)

// parseTarget returns the form of a target, and where its authority lies.
func parseTarget(method, target []byte) (form Form, authority []byte, err *Error) {
	switch {
	case len(target) == 0 || !all(target, isTarget):
		return 0, nil, errTarget
	case string(method) == "CONNECT":
		if !ValidHost(target) || !hasPort(target) {
			return 0, nil, errTargetForm
		}
		return Authority, target, nil
	case target[0] == '/':
		return Origin, nil, nil
	case len(target) == 1 && target[0] == '*':
		if string(method) != "OPTIONS" {
			return 0, nil, errTargetForm
		}
		return Asterisk, nil, nil
	}
	authority, ok := absolute(target)
	if !ok {
		return 0, nil, errTarget
	}
	return Absolute, authority, nil
}

// absolute returns the authority of scheme://authority/path?query.
func absolute(target []byte) (authority []byte, ok bool) {
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok || !validScheme(scheme) {
		return nil, false
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest, ValidHost(rest)
}

func validScheme(p []byte) bool {
	for i, c := range p {
		letter := 'a' <= lower(c) && lower(c) <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return len(p) > 0
}

// ValidTarget reports whether a client may send p as the target of a request with that method.
func ValidTarget(method, p string) bool {
	_, _, err := parseTarget([]byte(method), []byte(p))
	return err == nil
}

// ValidHost reports whether p is a host, not empty, with or without a port: what a Host field and an authority must be.
// User information is no part of it.
func ValidHost[T string | []byte](p T) bool {
	end := hostEnd(p)
	return end > 0 && (end == len(p) || p[end] == ':' && validPort(p[end+1:]))
}

// hostEnd returns where the host in p ends, or 0 if it is not a host.
func hostEnd[T string | []byte](p T) int {
	if len(p) > 0 && p[0] == '[' {
		return literalEnd(p)
	}
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == ':':
			return i
		case p[i] == '%':
			if i+2 >= len(p) || !all(p[i+1:i+3], isHex) {
				return 0
			}
			i += 2
		case class[p[i]]&isHost == 0:
			return 0
		}
	}
	return len(p)
}

// literalEnd returns where the address in brackets ends. A zone, as in [fe80::1%25eth0], is allowed.
func literalEnd[T string | []byte](p T) int {
	zone, colons := false, 0
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == ']':
			if colons < 2 {
				return 0
			}
			return i + 1
		case c == '%' && !zone:
			zone = true
		case zone && class[c]&isHost != 0:
		case c == ':' && !zone:
			colons++
		case zone || class[c]&isHex == 0 && c != '.':
			return 0
		}
	}
	return 0
}

// validPort reports whether p is a number below 65536, or empty.
func validPort[T string | []byte](p T) bool {
	n := 0
	for i := range len(p) {
		if p[i] < '0' || p[i] > '9' {
			return false
		}
		if n = n*10 + int(p[i]-'0'); n > 65535 {
			return false
		}
	}
	return true
}

// hasPort reports whether a valid authority names a port other than 0.
func hasPort(p []byte) bool {
	port := p[hostEnd(p):]
	return len(bytes.Trim(port, ":0")) > 0
}
