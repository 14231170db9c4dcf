//go:build unix

package chanio

import (
	"io"
	"net"
	"os"
	"syscall"
)

// rawConnOf returns the descriptor of nc, if nc is the standard library's own: of a type that embeds one, a method may
// have been replaced, which must not be passed by.
func rawConnOf(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		if nc.LocalAddr().Network() != "unix" {
			return nil
		}
		raw, err = nc.SyscallConn()
	}
	if err != nil {
		return nil
	}
	return raw
}

// rawReader reads a descriptor and holds no buffer while it waits.
type rawReader struct {
	c   *Conn
	try func(fd uintptr) bool // tryRead, made once; nil if there is no descriptor

	p    []byte // where to; nil means the buffer
	want int
	err  error
	n    int32 // a read returns less than 2 GiB
	now  bool  // do not wait
}

func (r *rawReader) init(c *Conn) {
	r.c = c
	if c.descriptor = rawConnOf(c.nc); c.descriptor != nil {
		r.try = r.tryRead
	}
}

// ok reports whether there is a descriptor.
func (r *rawReader) ok() bool { return r.try != nil }

func (r *rawReader) read(p []byte, want int) (int, error) {
	r.p, r.want, r.n, r.err = p, want, 0, nil
	err := r.c.descriptor.Read(r.try)
	r.p = nil
	if err == nil {
		err = r.err
	}
	return int(r.n), err
}

// readNow reads what is there, which may be nothing.
func (r *rawReader) readNow(p []byte, want int) int {
	r.now = true
	defer func() { r.now = false }()
	n, _ := r.read(p, want)
	return n
}

// tryRead reports whether there is something to report; otherwise it is called again when there may be.
func (r *rawReader) tryRead(fd uintptr) bool {
	p := r.p
	if p == nil {
		p = r.c.in.space(r.want)
	}
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			r.c.in.giveBack()
			return r.now
		case err != nil:
			r.err = r.opError("read", os.NewSyscallError("read", err))
		case n == 0:
			r.err = io.EOF
		}
		r.n = int32(max(n, 0))
		return true
	}
}

func (r *rawReader) opError(op string, err error) error {
	nc := r.c.nc
	return &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: err}
}
