//go:build !linux || 386 || mips || mipsle || s390x

package datagram

// newTransport returns what reads and writes the socket of c.
func newTransport(c *Conn, cfg Config) (reader, writer) { return plainTransport(c, cfg) }
