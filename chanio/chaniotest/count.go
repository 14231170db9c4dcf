package chaniotest

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Counter counts the calls of a net.Conn returned by [Count]. Its methods may be called by any goroutine.
type Counter struct {
	mu                      sync.Mutex
	calls                   []byte
	reads, writes           int
	bytesRead, bytesWritten int64
}

// Count returns nc with its calls counted. The returned net.Conn also has CloseWrite, and it has TryWrite and WaitWrite
// if nc has both. It has no other methods, so a TCP connection is no longer recognized as one.
func Count(nc net.Conn) (net.Conn, *Counter) {
	c := &counted{Conn: nc, counter: &Counter{}}
	if try, ok := nc.(tryWriter); ok {
		return &countedTry{counted: c, try: try}, c.counter
	}
	return c, c.counter
}

// Reads returns how many times Read has returned.
func (c *Counter) Reads() int { return locked(c, &c.reads) }

// Writes returns how many calls of Write and TryWrite wrote something.
func (c *Counter) Writes() int { return locked(c, &c.writes) }

// BytesRead returns how many bytes were read.
func (c *Counter) BytesRead() int64 { return locked(c, &c.bytesRead) }

// BytesWritten returns how many bytes were written.
func (c *Counter) BytesWritten() int64 { return locked(c, &c.bytesWritten) }

// Calls returns the order of the calls: 'r' for each Read that started, and 'w' for each write that finished and wrote
// something.
func (c *Counter) Calls() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.calls)
}

func locked[N int | int64](c *Counter, n *N) N {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *n
}

func (c *Counter) reading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, 'r')
}

func (c *Counter) read(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	c.bytesRead += int64(n)
}

func (c *Counter) wrote(n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, 'w')
	c.writes++
	c.bytesWritten += int64(n)
}

type counted struct {
	net.Conn
	counter *Counter
}

func (c *counted) Read(p []byte) (int, error) {
	c.counter.reading()
	n, err := c.Conn.Read(p)
	c.counter.read(n)
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.counter.wrote(n)
	return n, err
}

func (c *counted) CloseWrite() error {
	if nc, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return &net.OpError{Op: "close write", Net: c.LocalAddr().Network(), Err: errors.ErrUnsupported}
}

type tryWriter interface {
	TryWrite(p []byte) (int, error)
	WaitWrite(ctx context.Context) error
}

type countedTry struct {
	*counted
	try tryWriter
}

func (c *countedTry) TryWrite(p []byte) (int, error) {
	n, err := c.try.TryWrite(p)
	c.counter.wrote(n)
	return n, err
}

func (c *countedTry) WaitWrite(ctx context.Context) error { return c.try.WaitWrite(ctx) }
