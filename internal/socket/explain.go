package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Explain returns err with a prefix and, where it is a common mistake, with what to do about it. The result wraps err.
func Explain(prefix string, err error) error {
	if h := hint(err); h != "" {
		return fmt.Errorf("%s: %w; %s", prefix, err, h)
	}
	return fmt.Errorf("%s: %w", prefix, err)
}

// hint says what to do about err, or nothing.
func hint(err error) string {
	var (
		addr *net.AddrError
		dns  *net.DNSError
		file *fs.PathError
	)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "something listens there already: stop it, choose another port, or port 0 for a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface of this machine has that address: leave out the host to use all of them"
	case errors.As(err, &file): // it has been explained where that was wanted
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
