//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

import "github.com/weir-go/weir/chanio"

// newTransport returns what reads and writes the socket of c.
func newTransport(c *Conn, cfg Config) (reader[chanio.Packet], writer) {
	raw, err := c.uc.SyscallConn()
	if err != nil || cfg.plain {
		return plainTransport(c, cfg)
	}
	return newBatchReader(c, raw, cfg), newBatchWriter(c, raw, cfg)
}
