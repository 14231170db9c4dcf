//go:build linux && !(386 || mips || mipsle || s390x)

package datagram

// newTransport returns what reads and writes the socket of c.
func newTransport(c *Conn, cfg Config) (reader, writer) {
	raw, err := c.uc.SyscallConn()
	if err != nil || cfg.plain {
		return plainTransport(c, cfg)
	}
	return newBatchReader(c, raw, cfg), newBatchWriter(c, raw, cfg)
}
