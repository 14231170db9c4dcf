//go:build !linux || 386 || mips || mipsle || s390x

package datagram

import (
	"net"
	"net/netip"
)

// kernelDrops returns -1: this system does not tell.
func kernelDrops(*net.UDPConn) int64 { return -1 }

// isV4 reports whether uc is a socket of IPv4 alone.
func isV4(_ *net.UDPConn, local netip.AddrPort) bool { return local.Addr().Is4() }
