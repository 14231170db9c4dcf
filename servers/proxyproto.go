package servers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol, versions 1 and 2, as haproxy.org describes it in proxy-protocol.txt: a balancer begins each
// connection with a header that says from where it comes and where it was going.
//
//	PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 CR LF                       version 1
//
//	+----------------------------+----+----+---------+-----------+------+   version 2
//	| 0D 0A 0D 0A 00 0D 0A 51    | 21 | 11 | 00 0C   | addresses | TLVs |
//	| 55 49 54 0A                |    |    |         | and ports |      |
//	+----------------------------+----+----+---------+-----------+------+
//	  signature                    |    |    length of the rest
//	                               |    family, TCP over IPv4
//	                               version 2, PROXY
const (
	proxyV1    = "PROXY "
	proxyV1Max = 107 // bytes, with CR LF
	proxyV2    = "\r\n\r\n\x00\r\nQUIT\n"

	proxyLocal   = 0x20 // the balancer's own, for a health check
	proxyProxied = 0x21
	proxyTCP4    = 0x11
	proxyTCP6    = 0x21
)

// errProxyHeader is why the connection of a balancer is refused.
var errProxyHeader = errors.New("no header of the PROXY protocol")

// proxied is what a header says. Addresses that are not valid are not told.
type proxied struct {
	from, to netip.AddrPort
}

// readProxied reads a header, and no byte more.
func readProxied(r io.Reader) (p proxied, err error) {
	start := make([]byte, len(proxyV2)) // no header is shorter
	if _, err := io.ReadFull(r, start); err != nil {
		return p, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	switch {
	case string(start) == proxyV2:
		p, err = readProxiedV2(r)
	case bytes.HasPrefix(start, []byte(proxyV1)):
		p, err = readProxiedV1(r, start)
	default:
		err = fmt.Errorf("begins with %q", start)
	}
	if err != nil {
		return proxied{}, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	return p, nil
}

// readProxiedV1 reads the rest of a line, byte by byte, for what follows it is somebody else's.
func readProxiedV1(r io.Reader, line []byte) (p proxied, err error) {
	for one := line[len(line)-1:]; one[0] != '\n'; line = append(line, one[0]) {
		if len(line) == proxyV1Max {
			return p, fmt.Errorf("the line is longer than %d bytes", proxyV1Max)
		}
		one = make([]byte, 1)
		if _, err := io.ReadFull(r, one); err != nil {
			return p, err
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	fields := strings.Split(text, " ")
	switch {
	case !ok:
	case fields[1] == "UNKNOWN":
		return p, nil
	case len(fields) == 6 && (fields[1] == "TCP4" || fields[1] == "TCP6"):
		var err1, err2 error
		p.from, err1 = proxiedAddr(fields[1], fields[2], fields[4])
		p.to, err2 = proxiedAddr(fields[1], fields[3], fields[5])
		return p, errors.Join(err1, err2)
	}
	return p, fmt.Errorf("the line is %q", line)
}

func proxiedAddr(family, addr, port string) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if ip.Is4() != (family == "TCP4") || ip.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%s is no address of %s", addr, family)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(ip, uint16(n)), err
}

func readProxiedV2(r io.Reader) (p proxied, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return p, err
	}
	command, family, left := head[0], head[1], int(binary.BigEndian.Uint16(head[2:]))
	if command != proxyLocal && command != proxyProxied {
		return p, fmt.Errorf("version and command are %#02x", command)
	}
	if size := addrSize(family); command == proxyProxied && size > 0 {
		var b [36]byte
		addrs := b[:2*size+4]
		if left < len(addrs) {
			return p, fmt.Errorf("%d bytes are too short for two addresses", left)
		}
		if _, err := io.ReadFull(r, addrs); err != nil {
			return p, err
		}
		left -= len(addrs)
		p.from = addrPort(addrs[:size], addrs[2*size:])
		p.to = addrPort(addrs[size:2*size], addrs[2*size+2:])
	}
	if _, err := io.CopyN(io.Discard, r, int64(left)); err != nil { // TLVs, and addresses that are not of TCP
		return p, err
	}
	return p, nil
}

// addrSize returns how many bytes an address has, 0 if it is not one of TCP.
func addrSize(family byte) int {
	switch family {
	case proxyTCP4:
		return 4
	case proxyTCP6:
		return 16
	}
	return 0
}

func addrPort(ip, port []byte) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port))
}

// isBalancer reports whether a connection from addr begins with a header.
func isBalancer(balancers []netip.Prefix, addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(balancers, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// awaitProxied reads the header of nc for as long as ctx lives.
func awaitProxied(ctx context.Context, nc net.Conn) (proxied, error) {
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = nc.SetReadDeadline(time.Unix(1, 0))
		close(expired)
	})
	p, err := readProxied(nc)
	if !stop() {
		<-expired
		_ = nc.SetReadDeadline(time.Time{})
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return p, err
}

// tcpAddrOf returns addr, or nil if it was not told.
func tcpAddrOf(addr netip.AddrPort) net.Addr {
	if !addr.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(addr)
}
