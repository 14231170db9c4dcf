// Package hostname converts host names to the form in which they are looked up, sent and compared.
package hostname

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// ASCII returns host in ASCII (RFC 5891) and lower case, without the final dot. It rejects what cannot be a host name.
// It accepts characters that DNS does not forbid, such as underscores, and IPv4 addresses, which look like names.
func ASCII(host string) (string, error) {
	name := host
	if !isASCII(name) {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", fmt.Errorf("not a valid host name: %w", err)
		}
		name = ascii
	}
	name = strings.TrimSuffix(name, ".") // also one that was written in another script
	if len(name) > 253 || slices.ContainsFunc(strings.Split(name, "."), badLabel) {
		return "", errors.New("not a valid host name: it is 1 to 63 bytes between dots, 253 in all, without spaces")
	}
	return strings.ToLower(name), nil
}

// Encoded returns host in ASCII, for a resolver that does not encode names. It keeps the final dot. A host that is in ASCII
// already, or cannot be a host name, is returned unchanged.
func Encoded(host string) string {
	if isASCII(host) {
		return host
	}
	name, err := ASCII(host)
	switch {
	case err != nil:
		return host
	case IsAbsolute(host):
		return name + "."
	}
	return name
}

// IsAbsolute reports whether host ends with a dot, in any script, and so is not relative to a search domain.
func IsAbsolute(host string) bool {
	return strings.HasSuffix(host, ".") || strings.HasSuffix(host, "\u3002") ||
		strings.HasSuffix(host, "\uff0e") || strings.HasSuffix(host, "\uff61")
}

// WithoutDot returns a name, which may have a port, without a final dot, which only marks it as absolute.
func WithoutDot(name string) string {
	name, port, found := strings.Cut(name, ".:")
	if name = strings.TrimSuffix(name, "."); found {
		name += ":" + port
	}
	return name
}

// NoProxy returns a list for NO_PROXY in the form that package httpproxy knows: without final dots of names, and without
// the brackets of an IPv6 address that has no port.
func NoProxy(list string) string {
	names := strings.Split(list, ",")
	for i, name := range names {
		names[i] = WithoutDot(strings.TrimSpace(name))
		if addr, ok := strings.CutSuffix(names[i], "]"); ok {
			names[i] = strings.TrimPrefix(addr, "[")
		}
	}
	return strings.Join(names, ",")
}

// badLabel reports whether a label is invalid.
func badLabel(label string) bool {
	bad := func(c rune) bool { return c <= ' ' || c == 0x7f }
	return len(label) == 0 || len(label) > 63 || strings.ContainsFunc(label, bad)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c >= 0x80 })
}
