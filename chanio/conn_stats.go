package chanio

// ConnStats is what has passed through a [Conn]. Over TLS it is the plain text.
type ConnStats struct {
	BytesIn  int64 // read from the net.Conn, whether or not a receiver has taken them
	BytesOut int64 // written to the net.Conn
}

// Stats returns the counters, also after the connection has been released. It does not block, so it is for
// ConnConfig.OnRelease too.
func (c *Conn) Stats() ConnStats {
	return ConnStats{BytesIn: c.in.total.Load(), BytesOut: c.out.written.Load()}
}

// Cause returns why the connection failed: the first error of reading or writing that was not the affair of one call,
// or the cause of an abort. It is nil while there is none and when the connection has ended in good order. It does not
// block.
func (c *Conn) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// failed notes why, unless that is known.
func (c *Conn) failed(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && !c.gone {
		c.cause = why
	}
}
