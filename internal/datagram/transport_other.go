//go:build !linux || 386 || mips || mipsle || s390x

package datagram

import "github.com/weir-go/weir/chanio"

// newTransport returns what reads and writes the socket of c.
func newTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) { return plainTransport(c, cfg) }
