//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

// kernelDrops returns how many datagrams the kernel has dropped because the socket's buffer was full, or -1.
func kernelDrops(c syscall.Conn) int64 {
	const (
		soMeminfo = 55 // SO_MEMINFO, since Linux 4.12
		drops     = 8  // SK_MEMINFO_DROPS
	)
	raw, err := c.SyscallConn()
	if err != nil {
		return -1
	}
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.SOL_SOCKET, soMeminfo,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil || errno != 0 || uintptr(size) < unsafe.Sizeof(info) {
		return -1
	}
	return int64(info[drops])
}

// isV4 reports whether uc is a socket of IPv4 alone.
func isV4(uc *net.UDPConn, local netip.AddrPort) (v4 bool) {
	const soDomain = 39 // SO_DOMAIN, since Linux 2.6.32
	v4 = local.Addr().Is4()
	if raw, err := uc.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if domain, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, soDomain); err == nil {
				v4 = domain == syscall.AF_INET
			}
		})
	}
	return v4
}
