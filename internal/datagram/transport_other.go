//go:build !linux || 386 || mips || mipsle || s390x

package datagram

import (
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// newTransport returns the reader and the writer of c's socket.
func newTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) { return plainTransport(c, cfg) }

// kernelDrops returns -1: this system does not report drops.
func kernelDrops(syscall.Conn) int64 { return -1 }
