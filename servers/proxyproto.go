package servers

import (
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

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/guard"
)

// The PROXY protocol, versions 1 and 2, as haproxy.org describes it in proxy-protocol.txt: a balancer starts each
// connection with a header that contains the original addresses.
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

	proxyLocal   = 0x20 // a connection of the balancer itself, for a health check
	proxyProxied = 0x21
	proxyTCP4    = 0x11
	proxyTCP6    = 0x21
	proxyUnix    = 0x31 // stream
)

// errProxyHeader is the reason for refusing a balancer's connection.
var errProxyHeader = errors.New("no header of the PROXY protocol")

// readProxyHeader reads exactly one header.
func readProxyHeader(r io.Reader) (h *ProxyHeader, err error) {
	start := make([]byte, len(proxyV2)) // the minimum length of a header
	for n := 0; n < len(start); {
		m, err := io.ReadAtLeast(r, start[n:], 1)
		if err != nil && n > 0 {
			err = eof.Unexpected(err)
		}
		n += m
		if err == nil && !agree(start[:n], proxyV1) && !agree(start[:n], proxyV2) {
			err = fmt.Errorf("begins with %q", start[:n]) // do not wait for more of it
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
		}
	}
	if string(start) == proxyV2 {
		h, err = readProxyV2(r)
	} else {
		h, err = readProxyV1(r, start)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	return h, nil
}

// agree reports whether b and prefix are equal as far as both go.
func agree(b []byte, prefix string) bool {
	n := min(len(b), len(prefix))
	return string(b[:n]) == prefix[:n]
}

// readProxyV1 reads the rest of the line byte by byte, because what follows belongs to the next protocol.
func readProxyV1(r io.Reader, line []byte) (*ProxyHeader, error) {
	for one := line[len(line)-1:]; one[0] != '\n'; line = append(line, one[0]) {
		if len(line) == proxyV1Max {
			return nil, fmt.Errorf("the line is longer than %d bytes", proxyV1Max)
		}
		one = make([]byte, 1)
		if _, err := io.ReadFull(r, one); err != nil {
			return nil, err
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	fields := strings.Split(text, " ")
	switch {
	case !ok:
	case fields[1] == "UNKNOWN":
		return &ProxyHeader{}, nil
	case len(fields) == 6 && (fields[1] == "TCP4" || fields[1] == "TCP6"):
		from, err1 := proxiedAddr(fields[1], fields[2], fields[4])
		to, err2 := proxiedAddr(fields[1], fields[3], fields[5])
		return &ProxyHeader{Source: net.TCPAddrFromAddrPort(from), Destination: net.TCPAddrFromAddrPort(to)}, errors.Join(err1, err2)
	}
	return nil, fmt.Errorf("the line is %q", line)
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

// proxyV2Max is the largest accepted length of the rest of a version 2 header: a balancer that passes certificate
// details sends some thousand bytes.
const proxyV2Max = 16 << 10

func readProxyV2(r io.Reader) (*ProxyHeader, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	command, size := head[0], int(binary.BigEndian.Uint16(head[2:]))
	switch {
	case command != proxyLocal && command != proxyProxied:
		return nil, fmt.Errorf("version and command are %#02x", command)
	case size > proxyV2Max:
		return nil, fmt.Errorf("the header has %d bytes: at most %d are read", size, proxyV2Max)
	}
	rest := make([]byte, size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, err
	}
	if command == proxyLocal {
		return &ProxyHeader{}, nil // the rest must be ignored
	}
	return parseProxyV2(head, rest)
}

// isBalancer reports whether a connection from addr must start with a header.
func (o *observer) isBalancer(addr net.Addr) bool {
	if o.cfg.ProxyAlways || len(o.cfg.ProxyFrom) == 0 {
		return o.cfg.ProxyAlways
	}
	ip := ipOf(addr)
	return slices.ContainsFunc(o.cfg.ProxyFrom, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// awaitProxyHeader reads the header of nc until ctx ends.
func awaitProxyHeader(ctx context.Context, nc net.Conn) (h *ProxyHeader, err error) {
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		_ = guard.Call(func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	})
	panicked := guard.Call(func() { h, err = readProxyHeader(nc) })
	if !stop() {
		<-expired
		_ = guard.Call(func() { _ = nc.SetReadDeadline(time.Time{}) })
	}
	switch {
	case panicked != nil:
		return nil, panicked
	case err != nil && ctx.Err() != nil:
		err = chanio.Cause(ctx)
	}
	return h, err
}
