//go:build unix

package chanio

import (
	"net"
	"os"
	"syscall"
)

// rawWriter writes what a descriptor takes without blocking.
type rawWriter struct {
	c   *Conn
	try func(fd uintptr) bool // tryWrite, made once

	head, body []byte
	n          int
	err        error
}

// init reports whether there is a descriptor.
func (w *rawWriter) init(c *Conn) bool {
	w.c = c
	if c.descriptor == nil {
		return false
	}
	w.try = w.tryWrite
	return true
}

// TryWrite writes what the kernel takes of p now.
func (w *rawWriter) TryWrite(p []byte) (int, error) { return w.TryWriteBoth(nil, p) }

// TryWriteBoth writes what the kernel takes of head and body now, in one system call where there is one for that.
func (w *rawWriter) TryWriteBoth(head, body []byte) (int, error) {
	w.head, w.body, w.n, w.err = head, body, 0, nil
	err := w.c.descriptor.Write(w.try)
	w.head, w.body = nil, nil
	if err == nil && w.err != nil {
		err = &net.OpError{Op: "write", Net: w.c.nc.LocalAddr().Network(), Source: w.c.nc.LocalAddr(),
			Addr: w.c.nc.RemoteAddr(), Err: os.NewSyscallError("write", w.err)}
	}
	return w.n, err
}

// tryWrite never asks to be called again.
func (w *rawWriter) tryWrite(fd uintptr) bool {
	for len(w.head)+len(w.body) > 0 {
		n, err := writeBoth(int(fd), w.head, w.body)
		if n > 0 {
			w.n += n
			used := min(n, len(w.head))
			w.head, w.body = w.head[used:], w.body[n-used:]
		}
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return true
		case err != nil:
			w.err = err
			return true
		}
	}
	return true
}
