package servers

import (
	"net"
	"reflect"

	"github.com/weir-go/weir/chanio"
)

// addrs returns the addresses of a connection. The methods of a foreign net.Conn may panic, return nil, or return a
// different address each time, so callers that need a stable address keep the results.
func (o *observer) addrs(nc net.Conn) (local, remote net.Addr) {
	if !isForeign(nc) {
		return nc.LocalAddr(), nc.RemoteAddr()
	}
	_ = o.call("net.Conn", nil, func() { local, remote = printable(nc.LocalAddr()), printable(nc.RemoteAddr()) })
	return local, remote
}

// printable returns addr, or panics if its methods do.
func printable(addr net.Addr) net.Addr {
	if addr != nil {
		_, _ = addr.Network(), addr.String()
	}
	return addr
}

// isNil reports whether nc is nil or a nil pointer of some type.
func isNil(nc net.Conn) bool {
	v := reflect.ValueOf(nc)
	return nc == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// isForeign reports whether the type of nc is not from package net.
func isForeign(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return false
	}
	return true
}

// withAddrs sets the addresses of a foreign net.Conn in conn, so that they stay the same for the connection's lifetime.
func (o *observer) withAddrs(nc net.Conn, conn *chanio.ConnConfig) {
	if !isForeign(nc) || conn.LocalAddr != nil && conn.RemoteAddr != nil {
		return
	}
	local, remote := o.addrs(nc)
	conn.LocalAddr, conn.RemoteAddr = firstAddr(conn.LocalAddr, local), firstAddr(conn.RemoteAddr, remote)
}

func firstAddr(addrs ...net.Addr) net.Addr {
	for _, addr := range addrs {
		if addr != nil {
			return addr
		}
	}
	return unknownAddr{}
}

// unknownAddr is the address of a net.Conn or a net.Listener that returns none.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "unknown" }
func (unknownAddr) String() string  { return "unknown" }
