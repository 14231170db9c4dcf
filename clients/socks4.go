package clients

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

// DialThrough is [Proxy.DialThrough]. A refusal is a [*ProxyError] with the code of the reply.
func (p *SOCKS4) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	request, err := p.request(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: proxyAddr(p.Addr), Err: err}
	}
	c, err := direct(ctx, p.Addr, conn)
	if err != nil {
		return nil, err
	}
	err = through(ctx, p.Addr, c, func(r *received) error {
		if err := r.send(ctx, request); err != nil {
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

// request returns the request for a connection to addr.
func (p *SOCKS4) request(ctx context.Context, addr string) ([]byte, error) {
	if strings.ContainsRune(p.User, 0) || len(p.User) > 255 {
		return nil, errors.New("the User of SOCKS4 has a zero byte, or more than 255 bytes")
	}
	host, port, err := splitTarget(ctx, addr)
	if err != nil {
		return nil, err
	}
	ip, name, err := p.address(ctx, host)
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint16([]byte{socks4Version, socksConnect}, port)
	b = append(b, ip[:]...)
	b = append(append(b, p.User...), 0)
	if name != "" {
		b = append(append(b, name...), 0)
	}
	return b, nil
}

// address returns the form of host in a request: its address, or a placeholder and the name.
func (p *SOCKS4) address(ctx context.Context, host string) (ip [4]byte, name string, err error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap(); a.Is4() {
			return a.As4(), "", nil
		}
		return ip, "", fmt.Errorf("SOCKS 4 cannot reach the IPv6 address %s", host)
	}
	if p.Names {
		return [4]byte{0, 0, 0, 1}, host, nil
	}
	addrs, err := lookup(ctx, p.Resolver, host)
	if err != nil {
		return ip, "", err
	}
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() {
			return a.As4(), "", nil
		}
	}
	return ip, "", fmt.Errorf("host %s has no IPv4 address, which SOCKS 4 needs", host)
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
