package httpd

import (
	"cmp"
	"net/http"
	"net/netip"
	"strings"
)

// forwardedField returns the canonical name of Config.ForwardedField.
func (cfg *Config) forwardedField() string {
	return http.CanonicalHeaderKey(cmp.Or(cfg.ForwardedField, "X-Forwarded-For"))
}

// clientAddr returns the address of the client, given the address of the peer and the values of the forwarding field.
// It goes from the peer towards the client while the addresses are trusted proxies. A client can forge everything
// before the first address that is not.
func (s *Server) clientAddr(remote string, values []string) netip.Addr {
	addr := addrOf(remote)
	if len(s.cfg.TrustedProxies) == 0 {
		return addr
	}
	rfc7239 := s.cfg.forwardedField() == "Forwarded"
	for i := len(values) - 1; i >= 0 && s.trusts(addr); i-- {
		for rest := values[i]; rest != "" && s.trusts(addr); {
			var last string
			if rest, last = cutLast(rest); last == "" {
				continue // an empty element is ignored: RFC 9110 5.6.1.2
			}
			if rfc7239 {
				last = forOf(last)
			}
			next := addrOf(last)
			if !next.IsValid() {
				return addr // hidden or unknown: everything before it is ignored
			}
			addr = next
		}
	}
	return addr
}

// trusts reports whether addr is a trusted proxy. A peer without an address runs on this machine.
func (s *Server) trusts(addr netip.Addr) bool {
	if !addr.IsValid() {
		return true
	}
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(addr) || p.Addr().Is4In6() && p.Bits() >= 96 && addr.Is4() && p.Contains(netip.AddrFrom16(addr.As16())) {
			return true
		}
	}
	return false
}

// cutLast cuts the last element off a list. A comma within quotes does not separate elements. It scans backwards,
// because the text before the elements of trusted proxies may have an odd number of quotes.
func cutLast(list string) (rest, last string) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"' && !isEscaped(list, i):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], strings.Trim(list[i+1:], " \t")
		}
	}
	return "", strings.Trim(list, " \t")
}

// isEscaped reports whether s[i] is preceded by an odd number of backslashes, which makes it part of a quoted-pair.
func isEscaped(s string, i int) bool {
	start := i
	for i > 0 && s[i-1] == '\\' {
		i--
	}
	return (start-i)%2 == 1
}

// cutPair cuts the first parameter off an element. A semicolon within quotes does not separate parameters.
func cutPair(element string) (pair, rest string) {
	quoted := false
	for i := range len(element) {
		switch {
		case element[i] == '"' && !isEscaped(element, i):
			quoted = !quoted
		case element[i] == ';' && !quoted:
			return element[:i], element[i+1:]
		}
	}
	return element, ""
}

// forOf returns the value of the parameter "for" of a Forwarded element (RFC 7239 4), or "" unless there is exactly
// one.
func forOf(element string) (value string) {
	for found := false; element != ""; {
		var pair string
		pair, element = cutPair(element)
		name, v, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !strings.EqualFold(name, "for") {
			continue
		}
		if found {
			return "" // more than one is an error
		}
		found = true
		if value = v; len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			value = v[1 : len(v)-1]
		}
	}
	return withoutHiddenPort(value)
}

// withoutHiddenPort cuts an obfuscated port off a node: "_" followed by letters, digits, ".", "_" or "-" (RFC 7239
// 6.3).
func withoutHiddenPort(node string) string {
	host, port, ok := cutLastColon(node)
	if !ok || len(port) < 2 || port[0] != '_' {
		return node
	}
	for _, c := range []byte(port) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return node
		}
	}
	return host
}

func cutLastColon(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// addrOf returns the IP address of a node: IPv4, or IPv6 with or without brackets, with or without a port. The result
// is invalid for anything else.
func addrOf(node string) netip.Addr {
	if ap, err := netip.ParseAddrPort(node); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	if n := len(node); n > 2 && node[0] == '[' && node[n-1] == ']' {
		node = node[1 : n-1]
	}
	addr, err := netip.ParseAddr(node)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// allowsHost reports whether Config.AllowedHosts permits authority.
func (s *Server) allowsHost(authority string) bool {
	if len(s.cfg.AllowedHosts) == 0 {
		return true
	}
	host := strings.ToLower(authority)
	name := withoutPort(host)
	for _, allowed := range s.cfg.AllowedHosts {
		allowed = strings.ToLower(allowed)
		suffix, wild := strings.CutPrefix(allowed, "*")
		switch {
		case allowed == host, allowed == name:
			return true
		case wild && strings.HasPrefix(suffix, ".") && len(name) > len(suffix) && strings.HasSuffix(name, suffix):
			return true
		}
	}
	return false
}

// withoutPort returns the name or address in an authority, without the final dot of a name.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}
