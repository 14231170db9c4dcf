package datagram

import (
	"net"
	"runtime"
	"strings"
	"syscall"
)

// reusePort lets other sockets that ask for it have the same address.
func reusePort(c syscall.RawConn) error {
	name := 0xf // SO_REUSEPORT
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		name = 0x200
	}
	return setSocket(c, name, 1)
}

// joinedOnly has a socket receive the multicasts that it joined, and not those of all sockets of the host. Kernels that
// do not know the option are left as they are.
func joinedOnly(uc *net.UDPConn, v4 bool) {
	const (
		multicastAll4 = 49 // IP_MULTICAST_ALL
		multicastAll6 = 29 // IPV6_MULTICAST_ALL
	)
	raw, err := uc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, multicastAll4, 0)
		if !v4 {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, multicastAll6, 0)
		}
	})
}
