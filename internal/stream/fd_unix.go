//go:build unix

package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// descriptorOf returns the descriptor of nc, if nc is the standard library's own: of a type that embeds one, a method may
// have been replaced, which must not be passed by.
func descriptorOf(nc net.Conn) syscall.RawConn {
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

// fdReader reads a descriptor and holds no buffer while it waits.
type fdReader struct {
	r   *Reader
	try func(fd uintptr) bool // the method, made once

	p    []byte // where to; nil means the buffer
	want int
	raw  RawFunc // to be called instead of reading
	err  error
	n    int
	now  bool // do not wait
}

func (f *fdReader) init(r *Reader) {
	if f.r = r; r.s.fd != nil {
		f.try = f.attempt
	}
}

func (f *fdReader) read(p []byte, want int) (int, error) {
	f.p, f.want, f.n, f.err = p, want, 0, nil
	err := f.r.s.fd.Read(f.try)
	f.p = nil
	if err == nil {
		err = f.err
	}
	return f.n, err
}

// readNow reads what is there, which may be nothing.
func (f *fdReader) readNow(p []byte, want int) int {
	f.now = true
	defer func() { f.now = false }()
	n, _ := f.read(p, want)
	return n
}

// readRaw calls raw, again when there may be more to read for as long as it asks for that.
func (f *fdReader) readRaw(raw RawFunc) (int, error) {
	f.raw = raw
	defer func() { f.raw = nil }()
	return f.read(nil, 0)
}

// attempt reports whether there is something to report; otherwise it is called again when there may be.
func (f *fdReader) attempt(fd uintptr) bool {
	if f.raw != nil {
		return f.attemptRaw(fd)
	}
	p := f.p
	if p == nil {
		p = f.r.win.Space(f.want)
	}
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			f.r.beforeWait()
			return f.now || f.mayNotWait()
		case err != nil:
			f.err = f.r.s.opError("read", os.NewSyscallError("read", err))
		case n == 0:
			f.err = io.EOF
		}
		f.n = max(n, 0)
		return true
	}
}

func (f *fdReader) attemptRaw(fd uintptr) bool {
	n, again, err := f.raw(fd)
	f.n += n
	if err == nil && again {
		return f.mayNotWait()
	}
	f.err = f.r.s.rawError("read", err)
	return true
}

// mayNotWait puts the deadline on the socket, before a wait.
func (f *fdReader) mayNotWait() bool {
	f.err = f.r.d.Arm()
	return f.err != nil
}

// ReadRaw is of [RawSource].
func (r *Reader) ReadRaw(ctx context.Context, read RawFunc) (n int, err error) {
	if r.s.fd == nil || r.win.Len() > 0 || r.d.Closed() != nil {
		return 0, errors.ErrUnsupported
	}
	if r.err != nil {
		return 0, r.err
	}
	r.s.Out.letGo()
	n, err = r.waitRaw(ctx, read)
	r.total.Add(int64(n))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		err = r.fail(ctx, err)
	}
	return n, err
}

func (r *Reader) waitRaw(ctx context.Context, read RawFunc) (n int, err error) {
	if err := r.d.Enter(ctx, r.idleUntil()); err != nil {
		return 0, err
	}
	defer r.d.Leave()
	returned := false
	defer func() {
		if !returned {
			v := recover()
			_ = r.s.panicked(v)
			if v != nil {
				panic(v)
			}
		}
	}()
	for {
		m, err := r.fd.readRaw(read)
		n += m
		if err != nil {
			err = r.d.Judge(ctx, err)
		} else {
			returned = true
			return n, nil
		}
		if err != nil || n > 0 {
			returned = true
			return n, err
		}
	}
}

// fdWriter writes what a descriptor takes.
type fdWriter struct {
	w    *Writer
	try  func(fd uintptr) bool // the method, made once
	err  error
	wait bool
}

func (f *fdWriter) init(w *Writer) {
	if f.w = w; w.s.fd != nil {
		f.try = f.attempt
	}
}

// write makes progress with the job of the Writer. It waits for that if wait is true.
func (f *fdWriter) write(wait bool) error {
	f.err, f.wait = nil, wait
	err := f.w.s.fd.Write(f.try)
	if err == nil {
		err = f.err
	}
	return err
}

// attempt reports whether there is something to report; otherwise it is called again when there may be.
func (f *fdWriter) attempt(fd uintptr) bool {
	j := &f.w.job
	before := j.n
	for j.more {
		n, again, err := f.once(fd, j)
		f.w.took(n, again)
		switch {
		case err != nil:
			f.err = err
			return true
		case again:
			return !f.wait || j.n > before
		}
	}
	return true
}

// once makes one system call. again says that the descriptor takes no more now.
func (f *fdWriter) once(fd uintptr, j *job) (n int, again bool, err error) {
	if j.raw != nil {
		n, again, err = j.raw(fd)
		return n, again, f.w.s.rawError("write", err)
	}
	n, err = writeBoth(int(fd), j.head, j.body)
	switch err {
	case nil:
		return n, false, nil
	case syscall.EINTR:
		return 0, false, nil
	case syscall.EAGAIN:
		return 0, true, nil
	}
	return 0, false, f.w.s.opError("write", os.NewSyscallError("write", err))
}
