package datagram

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/weir-go/weir/internal/socket"
)

// Explain wraps err, of Listen or Dial, with a prefix and, for common mistakes, advice.
func Explain(prefix string, err error) error {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("%s: %w; no resolver knows that name: check the spelling, or give an IP address", prefix, err)
	case errors.As(err, &op) && op.Op == "dial" && errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %w%s", prefix, err, broadcastHint)
	}
	return socket.Explain(prefix, err)
}

// broadcastHint explains EACCES for a datagram or a peer.
const broadcastHint = "; if that is a broadcast address, UDPConfig.Broadcast permits it; else a firewall here forbids it"

var (
	errNoAddr    = errors.New("no address: this socket has no peer, so each Packet needs an Addr")
	errNoPort    = errors.New("port 0 cannot be sent to: give the port that the peer listens on")
	errFamily    = errors.New("an IPv6 address, but this socket is bound to an IPv4 one: listen on \":port\" for both")
	errNoGroup   = errors.New("not a multicast address: groups are in 224.0.0.0/4 and ff00::/8")
	errOtherPeer = errors.New("this socket has another peer: leave Addr zero, or send from a socket that is not connected")
)

// oversizeError is a datagram that cannot be sent.
type oversizeError struct {
	size, limit int
	remark      string // on the limit
}

func (e *oversizeError) Error() string {
	return fmt.Sprintf("a datagram of %d bytes is too large: the limit is %d, and %s; split it, or use a stream",
		e.size, e.limit, e.remark)
}

func (e *oversizeError) Is(target error) bool { return target == syscall.EMSGSIZE }

// lostError reports accepted datagrams that could not be sent.
type lostError struct {
	count uint64
	first error
}

func (e *lostError) Error() string {
	hint := ""
	if errors.Is(e.first, syscall.EACCES) {
		hint = broadcastHint
	}
	if e.count == 1 {
		return fmt.Sprintf("a datagram was lost: %v%s", e.first, hint)
	}
	return fmt.Sprintf("%d datagrams were lost, the first: %v%s", e.count, e.first, hint)
}

func (e *lostError) Unwrap() error { return e.first }
