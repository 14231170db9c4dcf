//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import (
	"syscall"
	"unsafe"

	"github.com/weir-go/weir/chanio"
)

// newTransport returns the reader and the writer of c's socket.
func newTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) {
	raw, err := c.uc.SyscallConn()
	if err != nil || cfg.plain {
		return plainTransport(c, cfg)
	}
	return newBatchReader(c, raw, cfg), newBatchWriter(c, raw, cfg)
}

// kernelDrops returns how many datagrams the kernel has dropped because the socket's buffer was full. It returns -1 if
// the kernel does not report that, or the socket is closed.
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
