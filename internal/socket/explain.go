package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
)

// Explain returns err with a prefix and, for common mistakes, advice. The result wraps err.
func Explain(prefix string, err error) error {
	if h := hint(err); h != "" {
		return fmt.Errorf("%s: %w; %s", prefix, err, h)
	}
	return fmt.Errorf("%s: %w", prefix, err)
}

// hint returns advice about err, or "".
func hint(err error) string {
	var (
		addr *net.AddrError
		dns  *net.DNSError
		file *fs.PathError
	)
	switch {
	case IsUnknownService(err):
		return "the port is a number up to 65535, or the name of a service that this machine knows, such as http"
	case lacksZone(err):
		return "a link-local address needs its interface, as in [fe80::1%eth0]:8080"
	case errors.Is(err, syscall.EADDRINUSE):
		return "something listens there already: stop it, choose another port, or port 0 for a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface of this machine has that address: leave out the host to use all of them"
	case errors.As(err, &file): // explained elsewhere if needed
	case errors.As(err, &dns) && dns.IsNotFound:
		return "is the name right? Leave out the host to use all interfaces of this machine"
	case errors.Is(err, fs.ErrPermission):
		return "ports below 1024 may need a privilege: choose a higher one, or grant CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is the server running, and is this its port?"
	case errors.As(err, &addr):
		return `an address is host:port, the port at most 65535, such as "localhost:8080", ":8080" or "[::1]:8080"`
	}
	return ""
}

// IsUnknownService reports whether err is about the name of a port. The net package reports that as a host that was not
// found.
func IsUnknownService(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.Err == "unknown port"
}

// lacksZone reports whether err was caused by an IPv6 link-local address without its interface.
func lacksZone(err error) bool {
	var op *net.OpError
	if !errors.Is(err, syscall.EINVAL) || !errors.As(err, &op) || op.Addr == nil {
		return false
	}
	addr, err := netip.ParseAddrPort(op.Addr.String())
	return err == nil && addr.Addr().IsLinkLocalUnicast() && addr.Addr().Is6() && addr.Addr().Zone() == ""
}
