//go:build !386

package servers_test

import (
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/servers"
)

// A socket of a family that the system has and package net does not.
func TestListenFileSaysWhatItCannotServe(t *testing.T) {
	const vsock, anyPort, anyAddr = 40, ^uint32(0), ^uint32(0)
	fd, err := syscall.Socket(vsock, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no sockets of virtual machines: %v", err)
	}
	f := os.NewFile(uintptr(fd), "vsock")
	defer f.Close()
	addr := struct {
		family, _ uint16
		port, cid uint32
		_         [4]byte
	}{family: vsock, port: anyPort, cid: anyAddr}
	if _, _, errno := syscall.Syscall(syscall.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&addr)), unsafe.Sizeof(addr)); errno != 0 {
		t.Skipf("no sockets of virtual machines: %v", errno)
	}
	if err := syscall.Listen(fd, 1); err != nil {
		t.Skipf("no sockets of virtual machines: %v", err)
	}
	ln, err := servers.ListenFile(f, nil)
	require.Nil(t, ln)
	require.ErrorContains(t, err, "servers: listen on vsock")
}
