package servers

import (
	"net"

	"github.com/weir-go/weir/chanio"
)

// addrs returns the addresses of a connection. Those of a kind that is somebody else's may change, panic, or be missing:
// they are looked at once where that matters.
func (l *Listener) addrs(nc net.Conn) (local, remote net.Addr) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return nc.LocalAddr(), nc.RemoteAddr()
	}
	_ = l.call("net.Conn", nil, func() { local, remote = nc.LocalAddr(), nc.RemoteAddr() })
	return local, remote
}

// withAddrs sees to it that a connection has addresses, which it has for as long as it lives.
func (l *Listener) withAddrs(nc net.Conn, conn *chanio.ConnConfig) {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return
	}
	if conn.LocalAddr != nil && conn.RemoteAddr != nil {
		return
	}
	local, remote := l.addrs(nc)
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

// unknownAddr is the address of a net.Conn or a net.Listener that tells none.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "unknown" }
func (unknownAddr) String() string  { return "unknown" }
