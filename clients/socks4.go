package clients

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// SOCKS4 is a SOCKS version 4 proxy, which accepts IPv4 addresses and a user name, or version 4a, which also accepts
// host names.
//
//	+----+----+---------+-------------+------------+----+-------------+----+
//	| 04 | 01 | port: 2 | address: 4  | user: ...  | 00 | 4a: host... | 00 |
//	+----+----+---------+-------------+------------+----+-------------+----+
type SOCKS4 struct {
	// Addr is the address of the proxy, in the form host:port.
	Addr string

	// User is the user name sent to the proxy. The protocol has no password.
	User string

	// Names leaves host names to the proxy (SOCKS 4a). Otherwise they are resolved here, by Resolver or, if that is
	// nil, by the system.
	Names    bool
	Resolver Resolver
}

// The reply codes of SOCKS 4.
const (
	socks4Version = 4
	socks4Granted = 90
	socks4NoIdent = 92
	socks4BadUser = 93
)

// DialThrough is [Proxy.DialThrough]. A refusal is a [*ProxyError] with the code of the reply. If a host that is resolved
// here has several addresses, the proxy is asked for them as [SOCKS5] does.
func (p *SOCKS4) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	addrs, name, port, err := p.target(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: proxyAddr(p.Addr), Err: err}
	}
	return dialAny(ctx, addrs, port, func(ctx context.Context, to netip.AddrPort) (*chanio.Conn, error) {
		return p.dialOne(ctx, to, name, conn, direct)
	})
}

// dialOne requests a connection to name or, if that is empty, to an address.
func (p *SOCKS4) dialOne(
	ctx context.Context, to netip.AddrPort, name string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	c, err := direct(ctx, p.Addr, conn)
	if err != nil {
		return nil, err
	}
	addr := to.String()
	if name != "" {
		addr = net.JoinHostPort(name, strconv.Itoa(int(to.Port())))
	}
	err = through(ctx, p.Addr, c, func(r *received) error {
		if err := r.send(ctx, p.request(to, name)); err != nil {
			return err
		}
		reply, err := r.need(ctx, 8)
		if err != nil {
			return fmt.Errorf("the reply of the proxy: %w", err)
		}
		return p.judge(addr, reply)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (p *SOCKS4) request(to netip.AddrPort, name string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{socks4Version, socksConnect}, to.Port())
	b = append(b, to.Addr().AsSlice()...)
	b = append(append(b, p.User...), 0)
	if name != "" {
		b = append(append(b, name...), 0)
	}
	return b
}

// target returns the addresses to ask for. If name is not empty, the proxy resolves that, and the address is a
// placeholder.
func (p *SOCKS4) target(ctx context.Context, addr string) (addrs []netip.Addr, name string, port uint16, err error) {
	if strings.ContainsRune(p.User, 0) || len(p.User) > 255 {
		return nil, "", 0, errors.New("the User of SOCKS4 has a zero byte, or more than 255 bytes")
	}
	host, port, err := splitTarget(ctx, addr)
	if err != nil {
		return nil, "", 0, err
	}
	if _, err := netip.ParseAddr(host); err != nil && p.Names {
		return []netip.Addr{netip.AddrFrom4([4]byte{0, 0, 0, 1})}, host, port, nil
	}
	if addrs, err = lookup(ctx, p.Resolver, host); err != nil {
		return nil, "", 0, err
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !a.Is4() })
	if len(addrs) == 0 {
		return nil, "", 0, fmt.Errorf("host %s has no IPv4 address, which SOCKS 4 needs", host)
	}
	return addrs, "", port, nil
}

// judge returns the refusal in a reply, or nil.
func (p *SOCKS4) judge(addr string, reply []byte) error {
	if reply[0] != 0 {
		return fmt.Errorf("the proxy does not speak SOCKS 4: it answers with %#x; is this its port?", reply[0])
	}
	code := reply[1]
	if code == socks4Granted {
		return nil
	}
	e := &ProxyError{Proxy: p.Addr, Addr: addr, Code: int(code), Reason: "rejected or failed, code " + strconv.Itoa(int(code))}
	switch code {
	case socks4NoIdent, socks4BadUser:
		e.Hint = "it asks an identd on this machine who the User is"
	default:
		e.err = syscall.ECONNREFUSED
	}
	return e
}
