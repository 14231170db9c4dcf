package datagram

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"github.com/weir-go/weir/internal/socket"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Options are the options of a UDP socket. The zero value uses the system's defaults.
type Options struct {
	ReadBuffer, WriteBuffer int // bytes
	TTL, TOS                int // TTL is the hop limit and TOS the traffic class of IPv6
	Broadcast               bool
	ReusePort               bool

	MulticastInterface  *net.Interface // the interface on which multicasts are sent
	MulticastTTL        int
	MulticastNoLoopback bool

	Control func(network, address string, c syscall.RawConn) error
}

// Listen binds a socket to addr, in the form host:port.
func (o Options) Listen(addr string) (*net.UDPConn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: o.control}
	pc, err := lc.ListenPacket(context.Background(), network(addr), addr)
	if err != nil {
		return nil, err
	}
	return o.apply(pc.(*net.UDPConn))
}

// Dial connects a socket to addr, from local if that is not nil.
func (o Options) Dial(ctx context.Context, addr string, local *net.UDPAddr) (*net.UDPConn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d := net.Dialer{Control: o.control}
	if local != nil {
		d.LocalAddr = local
	}
	nc, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	return o.apply(nc.(*net.UDPConn))
}

// check rejects numbers that the system would truncate.
func (o Options) check() error {
	for _, option := range [...]struct {
		name       string
		value, max int
	}{
		{"TTL", o.TTL, math.MaxUint8}, {"TOS", o.TOS, math.MaxUint8}, {"MulticastTTL", o.MulticastTTL, math.MaxUint8},
		{"ReadBuffer", o.ReadBuffer, math.MaxInt32}, {"WriteBuffer", o.WriteBuffer, math.MaxInt32},
	} {
		if option.value < 0 || option.value > option.max {
			err := fmt.Errorf("%s is %d, not from 0 to %d: %w", option.name, option.value, option.max, syscall.EINVAL)
			return &net.OpError{Op: "set", Net: "udp", Err: err}
		}
	}
	return nil
}

// network returns udp4 for an IPv4 address, because the net package opens even 0.0.0.0 for both families.
func network(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "udp"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "udp4"
	}
	return "udp"
}

// control sets the options that must be set before the socket is bound or connected.
func (o Options) control(network, address string, c syscall.RawConn) error {
	if o.ReusePort {
		if err := socket.ReusePort(c); err != nil {
			return err
		}
	}
	broadcast := 0
	if o.Broadcast {
		broadcast = 1
	}
	if err := setOption(c, syscall.SOL_SOCKET, syscall.SO_BROADCAST, broadcast); err != nil {
		return err
	}
	if o.Control != nil {
		return socket.Guarded(o.Control)(network, address, c)
	}
	return nil
}

// apply sets the options of a bound socket. It closes the socket if that fails.
func (o Options) apply(uc *net.UDPConn) (*net.UDPConn, error) {
	f := familyOf(uc)
	err := errors.Join(
		nonZero(o.ReadBuffer, uc.SetReadBuffer),
		nonZero(o.WriteBuffer, uc.SetWriteBuffer),
		f.each(o.TTL != 0,
			func() error { return f.p4.SetTTL(o.TTL) },
			func() error { return f.p6.SetHopLimit(o.TTL) }),
		f.each(o.TOS != 0,
			func() error { return f.p4.SetTOS(o.TOS) },
			func() error { return f.p6.SetTrafficClass(o.TOS) }),
		f.each(o.MulticastTTL != 0,
			func() error { return f.p4.SetMulticastTTL(o.MulticastTTL) },
			func() error { return f.p6.SetMulticastHopLimit(o.MulticastTTL) }),
		f.each(o.MulticastInterface != nil,
			func() error { return f.p4.SetMulticastInterface(o.MulticastInterface) },
			func() error { return f.p6.SetMulticastInterface(o.MulticastInterface) }),
		f.each(o.MulticastNoLoopback,
			func() error { return f.p4.SetMulticastLoopback(false) },
			func() error { return f.p6.SetMulticastLoopback(false) }),
	)
	if err != nil {
		_ = uc.Close() // err is returned instead
		return nil, &net.OpError{Op: "set", Net: "udp", Source: uc.LocalAddr(), Err: err}
	}
	f.joinedOnly(uc)
	return uc, nil
}

// joinedOnly limits the multicasts that a socket receives to groups it has joined; otherwise it receives those that any
// socket of the host has joined. Other systems than Linux do that anyway, and old kernels without the option are left
// as they are.
func (f family) joinedOnly(uc *net.UDPConn) {
	const (
		multicastAll4 = 49 // IP_MULTICAST_ALL
		multicastAll6 = 29 // IPV6_MULTICAST_ALL
	)
	raw, err := uc.SyscallConn()
	if err != nil || runtime.GOOS != "linux" {
		return
	}
	_ = setOption(raw, syscall.IPPROTO_IP, multicastAll4, 0)
	if !f.v4 {
		_ = setOption(raw, syscall.IPPROTO_IPV6, multicastAll6, 0)
	}
}

// setOption sets an option of a socket.
func setOption(c syscall.RawConn, level, name, value int) error {
	return control(c, func(fd uintptr) error {
		return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(handle(fd), level, name, value))
	})
}

func control(c syscall.RawConn, set func(fd uintptr) error) (err error) {
	if errRaw := c.Control(func(fd uintptr) { err = set(fd) }); errRaw != nil {
		return errRaw
	}
	return err
}

func nonZero(n int, set func(int) error) error {
	if n == 0 {
		return nil
	}
	return set(n)
}

// family is a socket for setting IPv4 and IPv6 options. An IPv6 socket may be both.
type family struct {
	v4 bool // IPv4-only
	p4 *ipv4.PacketConn
	p6 *ipv6.PacketConn
}

func familyOf(uc *net.UDPConn) family {
	return family{isV4(uc), ipv4.NewPacketConn(uc), ipv6.NewPacketConn(uc)}
}

// each sets an option for both families that the socket may have. Not every system supports the IPv4 option on an IPv6
// socket, so only the error of its own family counts.
func (f family) each(wanted bool, set4, set6 func() error) error {
	switch {
	case !wanted:
		return nil
	case f.v4:
		return set4()
	}
	_ = set4()
	return set6()
}

// Join makes the socket receive packets sent to a group, on the interface ifi; nil lets the system choose.
func (c *Conn) Join(group netip.Addr, ifi *net.Interface) error {
	f := familyOf(c.uc)
	return c.membership("join", group, func(to net.Addr, v4 bool) error {
		if v4 {
			return f.p4.JoinGroup(ifi, to)
		}
		return f.p6.JoinGroup(ifi, to)
	})
}

// Leave takes a Join with the same arguments back.
func (c *Conn) Leave(group netip.Addr, ifi *net.Interface) error {
	f := familyOf(c.uc)
	return c.membership("leave", group, func(to net.Addr, v4 bool) error {
		if v4 {
			return f.p4.LeaveGroup(ifi, to)
		}
		return f.p6.LeaveGroup(ifi, to)
	})
}

func (c *Conn) membership(op string, group netip.Addr, change func(to net.Addr, v4 bool) error) error {
	group = group.Unmap()
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, c.addr.Port()))
	switch {
	case !group.IsMulticast():
		return c.opError(op, to, errNoGroup)
	case c.v4 && !group.Is4():
		return c.opError(op, to, errFamily)
	}
	if err := change(&net.UDPAddr{IP: group.AsSlice(), Zone: group.Zone()}, group.Is4()); err != nil {
		return c.opError(op, to, err)
	}
	return nil
}
