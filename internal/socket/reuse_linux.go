package socket

import (
	"runtime"
	"strings"
	"syscall"
)

// reusePort lets other sockets that request it bind to the same address.
func reusePort(c syscall.RawConn) error {
	name := 0xf // SO_REUSEPORT
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		name = 0x200
	}
	return setSocket(c, name)
}
