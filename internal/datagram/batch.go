//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"
)

// mmsghdr is the struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr syscall.Msghdr
	n   uint32 // bytes received or sent
}

// sockaddr holds a sockaddr_in or a sockaddr_in6.
type sockaddr [syscall.SizeofSockaddrInet6]byte

// put stores to, mapped if an IPv4 address is for an IPv6 socket, and returns the size.
func (a *sockaddr) put(to netip.AddrPort, v4 bool, z *zones) int {
	*a = sockaddr{}
	binary.BigEndian.PutUint16(a[2:], to.Port())
	if v4 {
		ip := to.Addr().Unmap().As4()
		binary.NativeEndian.PutUint16(a[:], syscall.AF_INET)
		copy(a[4:], ip[:])
		return syscall.SizeofSockaddrInet4
	}
	ip := to.Addr().As16()
	binary.NativeEndian.PutUint16(a[:], syscall.AF_INET6)
	copy(a[8:], ip[:])
	if zone := to.Addr().Zone(); zone != "" {
		binary.NativeEndian.PutUint32(a[24:], z.indexes.get(zone, zoneIndex))
	}
	return syscall.SizeofSockaddrInet6
}

// get returns the stored address, with an IPv4 address unmapped.
func (a *sockaddr) get(z *zones) netip.AddrPort {
	port := binary.BigEndian.Uint16(a[2:])
	if binary.NativeEndian.Uint16(a[:]) == syscall.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:8])), port)
	}
	ip := netip.AddrFrom16([16]byte(a[8:24])).Unmap()
	if scope := binary.NativeEndian.Uint32(a[24:]); scope != 0 {
		ip = ip.WithZone(z.names.get(scope, zoneName))
	}
	return netip.AddrPortFrom(ip, port)
}

// ancillary holds one control message with a number: the segment size that a message is split into or was joined from.
// The kernel expects 16 bits for splitting and returns 32 for joining.
type ancillary [32]byte

const (
	udpSegment = 103 // UDP_SEGMENT
	udpGRO     = 104 // UDP_GRO
	solUDP     = syscall.IPPROTO_UDP
)

// putSegment stores the segment size and returns the size of the control message.
func (c *ancillary) putSegment(size int) int {
	h := (*syscall.Cmsghdr)(unsafe.Pointer(c))
	h.Level, h.Type = solUDP, udpSegment
	h.SetLen(syscall.CmsgLen(2))
	binary.NativeEndian.PutUint16(c[syscall.CmsgLen(0):], uint16(size))
	return syscall.CmsgSpace(2)
}

// segment returns the size of the joined segments, or 0, if filled bytes of c have been written.
func (c *ancillary) segment(filled int) int {
	h := (*syscall.Cmsghdr)(unsafe.Pointer(c))
	if filled < syscall.CmsgLen(4) || h.Level != solUDP || h.Type != udpGRO {
		return 0
	}
	return int(binary.NativeEndian.Uint32(c[syscall.CmsgLen(0):]))
}

// mmsg makes the system call num with msgs and returns how many it sent or filled.
func mmsg(num uintptr, fd uintptr, msgs []mmsghdr) (n int, errno syscall.Errno) {
	for {
		r, _, errno := syscall.Syscall6(num, fd, uintptr(unsafe.Pointer(unsafe.SliceData(msgs))), uintptr(len(msgs)),
			syscall.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(r), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// recvfrom receives one message without ancillary data, which is faster than recvmmsg.
func recvfrom(fd uintptr, m *mmsghdr) syscall.Errno {
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(m.hdr.Iov.Base)),
			uintptr(m.hdr.Iov.Len), syscall.MSG_DONTWAIT|syscall.MSG_TRUNC,
			uintptr(unsafe.Pointer(m.hdr.Name)), uintptr(unsafe.Pointer(&m.hdr.Namelen)))
		if errno == 0 {
			m.n, m.hdr.Flags = uint32(min(n, uintptr(m.hdr.Iov.Len))), 0
			if n > uintptr(m.hdr.Iov.Len) {
				m.hdr.Flags = syscall.MSG_TRUNC
			}
			m.hdr.SetControllen(0)
		}
		if errno != syscall.EINTR {
			return errno
		}
	}
}

// sendto sends one datagram to name, which is empty on a connected socket.
func sendto(fd uintptr, p []byte, name []byte) syscall.Errno {
	var to unsafe.Pointer
	if len(name) > 0 {
		to = unsafe.Pointer(unsafe.SliceData(name))
	}
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			syscall.MSG_DONTWAIT, uintptr(to), uintptr(len(name)))
		if errno != syscall.EINTR {
			return errno
		}
	}
}
