//go:build !linux || 386 || mips || mipsle || s390x

package datagram

import (
	"syscall"

	"github.com/weir-go/weir/chanio"
)

// newTransport returns what reads and writes the socket of c.
func newTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) { return plainTransport(c, cfg) }

// kernelDrops returns -1: this system does not tell.
func kernelDrops(syscall.Conn) int64 { return -1 }
