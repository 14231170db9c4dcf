package clients

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/weir-go/weir/chanio"
)

// SOCKS5 is a SOCKS version 5 proxy (RFC 1928), with user name and password if the proxy requires them (RFC 1929). For
// version 4 see [SOCKS4].
type SOCKS5 struct {
	// Addr is the address of the proxy, in the form host:port.
	Addr string

	// User and Password, of at most 255 bytes each, are offered if User is not empty. They are sent in the clear.
	User, Password string

	// Resolver, if not nil, resolves host names here. The proxy is then asked to connect to their addresses as
	// [DialTCP] does: to the next one, over another connection to the proxy, when the last has failed or not answered
	// within 250 ms. nil leaves names to the proxy, which may know more names and keeps them out of this machine's DNS
	// queries.
	Resolver Resolver
}

// The numbers of the protocol.
const (
	socksVersion         = 5
	socksPasswordVersion = 1
	socksNoLogin         = 0
	socksPassword        = 2
	socksNoMethod        = 0xff
	socksConnect         = 1
	socksIPv4            = 1
	socksName            = 3
	socksIPv6            = 4
	socksNotAllowed      = 2
	socksNetUnreachable  = 3
	socksHostUnreachable = 4
	socksRefused         = 5
)

// socksReasons describes the reply codes in the words of the RFC.
var socksReasons = []string{
	"succeeded", "general SOCKS server failure", "connection not allowed by ruleset", "network unreachable",
	"host unreachable", "connection refused", "TTL expired", "command not supported", "address type not supported",
}

// DialThrough is [Proxy.DialThrough]. A refusal is a [*ProxyError] with the code of the reply.
func (p *SOCKS5) DialThrough(
	ctx context.Context, addr string, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	host, port, err := splitTarget(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: proxyAddr(p.Addr), Err: err}
	}
	if p.Resolver == nil {
		return p.dialOne(ctx, host, port, conn, direct)
	}
	addrs, err := lookup(ctx, p.Resolver, host)
	if err != nil {
		return nil, dialError(ctx, "tcp", err)
	}
	return dialAny(ctx, addrs, port, func(ctx context.Context, to netip.AddrPort) (*chanio.Conn, error) {
		return p.dialOne(ctx, to.Addr().String(), port, conn, direct)
	})
}

// dialAny asks a proxy for the addresses of a host, each over a separate connection, until it reaches one.
func dialAny(
	ctx context.Context, addrs []netip.Addr, port uint16, dial func(context.Context, netip.AddrPort) (*chanio.Conn, error),
) (*chanio.Conn, error) {
	var remotes []netip.AddrPort
	for _, a := range interleave(addrs) {
		remotes = append(remotes, netip.AddrPortFrom(a.WithZone(""), port))
	}
	c, err := eyeballs[*chanio.Conn]{
		delay: attemptDelay, dial: dial, discard: func(c *chanio.Conn) { c.Out.Abort(nil) },
	}.race(ctx, remotes)
	if err != nil {
		return nil, dialError(ctx, "tcp", err)
	}
	return c, nil
}

// dialOne requests a connection to one host, over a separate connection to the proxy.
func (p *SOCKS5) dialOne(
	ctx context.Context, host string, port uint16, conn *chanio.ConnConfig, direct DialFunc,
) (*chanio.Conn, error) {
	c, err := direct(ctx, p.Addr, conn)
	if err != nil {
		return nil, err
	}
	err = through(ctx, p.Addr, c, func(r *received) error {
		addr := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if err := p.login(ctx, r, addr); err != nil {
			return err
		}
		return p.connect(ctx, r, host, port)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// login negotiates an authentication method and performs it.
func (p *SOCKS5) login(ctx context.Context, r *received, addr string) error {
	hello := []byte{socksVersion, 1, socksNoLogin}
	if p.User != "" {
		hello = []byte{socksVersion, 2, socksNoLogin, socksPassword}
	}
	if len(p.User) > 255 || len(p.Password) > 255 || p.User == "" && p.Password != "" {
		return errors.New("SOCKS5 has a User or a Password of more than 255 bytes, or a Password without a User")
	}
	reply, err := p.ask(ctx, r, hello, 2)
	if err != nil {
		return err
	}
	switch {
	case reply[0] != socksVersion:
		return fmt.Errorf("the proxy does not speak SOCKS 5: it answers with %#x; is this its port?", reply[0])
	case reply[1] == socksNoLogin:
		return nil
	case reply[1] == socksPassword && p.User != "":
		return p.password(ctx, r, addr)
	case reply[1] == socksNoMethod:
		e := &ProxyError{Proxy: p.Addr, Addr: addr, Code: socksNoMethod, Reason: "no method of authentication in common"}
		if p.User == "" {
			e.Hint = "it wants credentials: set User and Password"
		}
		return e
	}
	return fmt.Errorf("the proxy chose the authentication %#x, which was not offered", reply[1])
}

func (p *SOCKS5) password(ctx context.Context, r *received, addr string) error {
	msg := append([]byte{socksPasswordVersion, byte(len(p.User))}, p.User...)
	msg = append(append(msg, byte(len(p.Password))), p.Password...)
	reply, err := p.ask(ctx, r, msg, 2)
	if err != nil {
		return err
	}
	if reply[1] != 0 {
		return &ProxyError{
			Proxy: p.Addr, Addr: addr, Code: int(reply[1]), Reason: "login failed", Hint: "it does not accept these credentials",
		}
	}
	return nil
}

// connect requests the connection and reads the whole reply. The address in it is not used.
func (p *SOCKS5) connect(ctx context.Context, r *received, host string, port uint16) error {
	request := appendSOCKSHost([]byte{socksVersion, socksConnect, 0}, host)
	reply, err := p.ask(ctx, r, binary.BigEndian.AppendUint16(request, port), 2)
	if err != nil {
		return err
	}
	if reply[0] != socksVersion {
		return fmt.Errorf("the proxy replies with SOCKS %d, not 5", reply[0])
	}
	if reply[1] != 0 {
		return p.refusal(net.JoinHostPort(host, strconv.Itoa(int(port))), reply[1])
	}
	reply, err = r.need(ctx, 3)
	if err != nil {
		return err
	}
	rest := map[byte]int{socksIPv4: 4 - 1 + 2, socksIPv6: 16 - 1 + 2, socksName: int(reply[2]) + 2}
	n, known := rest[reply[1]]
	if !known {
		return fmt.Errorf("the proxy replies with an address of the unknown type %#x", reply[1])
	}
	_, err = r.need(ctx, n)
	return err
}

// appendSOCKSHost appends the type and the value of an address. A name has at most 253 bytes here.
func appendSOCKSHost(b []byte, host string) []byte {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return append(append(b, socksName, byte(len(host))), host...)
	case ip.Unmap().Is4():
		return append(append(b, socksIPv4), ip.Unmap().AsSlice()...)
	}
	return append(append(b, socksIPv6), ip.AsSlice()...)
}

func (p *SOCKS5) refusal(addr string, code byte) error {
	e := &ProxyError{Proxy: p.Addr, Addr: addr, Code: int(code), err: refusals[code]}
	e.Reason = fmt.Sprintf("reply %#x", code)
	if int(code) < len(socksReasons) {
		e.Reason = socksReasons[code]
	}
	if code == socksNotAllowed {
		e.Hint = "its rules do not allow that host and port"
	}
	return e
}

// ask sends msg and returns the n bytes of the answer.
func (p *SOCKS5) ask(ctx context.Context, r *received, msg []byte, n int) ([]byte, error) {
	if err := r.send(ctx, msg); err != nil {
		return nil, err
	}
	reply, err := r.need(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("the reply of the proxy: %w", err)
	}
	return reply, nil
}
