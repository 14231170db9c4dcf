//go:build unix

package stream

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
)

// descriptorOf returns the descriptor of nc if nc has a type of the standard library. A type that embeds one may have
// replaced a method, which must not be bypassed.
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
	try func(fd uintptr) bool // attempt, made once

	p    []byte  // the destination; nil means the buffer
	raw  RawFunc // called instead of reading
	err  error
	n    int
	want int32
	now  bool // do not wait
}

func (f *fdReader) init(r *Reader) {
	if r.s.fd != nil {
		f.try = func(fd uintptr) bool { return r.fd.attempt(r, fd) }
	}
}

func (f *fdReader) read(conn syscall.RawConn, p []byte, want int) (int, error) {
	f.p, f.want, f.n, f.err = p, int32(min(want, math.MaxInt32)), 0, nil
	err := conn.Read(f.try)
	f.p = nil
	if err == nil {
		err = f.err
	}
	return f.n, err
}

// readNow reads what has arrived, which may be nothing.
func (f *fdReader) readNow(conn syscall.RawConn, p []byte, want int) int {
	f.now = true
	defer func() { f.now = false }()
	n, _ := f.read(conn, p, want)
	return n
}

// isRaw reports whether a RawFunc reads.
func (f *fdReader) isRaw() bool { return f.raw != nil }

// attempt reports whether it has a result. Otherwise it is called again when the descriptor is ready.
func (f *fdReader) attempt(r *Reader, fd uintptr) bool {
	if f.raw != nil {
		return f.attemptRaw(r, fd)
	}
	p := f.p
	if p == nil {
		p = r.win.Space(int(f.want))
	}
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			r.beforeWait()
			return f.now || f.mayNotWait(r)
		case err != nil:
			f.err = os.NewSyscallError("read", err)
		case n == 0:
			f.err = io.EOF
		}
		f.n = max(n, 0)
		return true
	}
}

func (f *fdReader) attemptRaw(r *Reader, fd uintptr) bool {
	n, again, err := f.raw(fd)
	f.n += n
	if err == nil && again {
		return f.mayNotWait(r)
	}
	f.err = err
	return true
}

// mayNotWait sets the deadline of the socket before a wait.
func (f *fdReader) mayNotWait(r *Reader) bool {
	f.err = r.d.Arm()
	return f.err != nil
}

// ReadRaw implements [RawSource].
func (r *Reader) ReadRaw(ctx context.Context, read RawFunc) (n int, err error) {
	if r.s.fd == nil || r.win.Len() > 0 || r.next || r.d.Closed() != nil {
		return 0, errors.ErrUnsupported
	}
	if r.err != nil {
		return 0, r.err
	}
	r.s.Out.letGo()
	r.fd.raw = read
	returned := false
	defer func() {
		r.fd.raw = nil
		if returned {
			return
		}
		v := recover()
		_ = r.s.panicked(v)
		if v != nil {
			panic(v)
		}
	}()
	n, err = r.wait(ctx, nil, 0)
	returned = true
	r.total.Add(int64(n))
	if _, ends := r.d.Closed().(*ended); ends && n == 0 && err != nil {
		return 0, errors.ErrUnsupported // Fill reads what had arrived
	}
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		err = r.fail(ctx, err)
	}
	return n, err
}

// fdWriter writes to a descriptor without blocking.
type fdWriter struct {
	try func(fd uintptr) bool // attempt, made once
	err error
}

func (f *fdWriter) init(j *job) { f.try = j.attempt }

// write makes progress with the job, and waits for that if the job says so.
func (f *fdWriter) write(conn syscall.RawConn) (err error) {
	if err = conn.Write(f.try); err == nil {
		err = f.err
	}
	f.err = nil
	return err
}

// attempt reports whether it has a result. Otherwise it is called again when the descriptor is ready.
func (j *job) attempt(fd uintptr) bool {
	before := j.n
	for j.more {
		n, again, err := j.once(fd)
		j.w.took(n, again)
		switch {
		case err != nil:
			j.fd.err = err
			return true
		case again:
			return !j.wait || j.n > before
		}
	}
	return true
}

// once makes one system call. again means that the descriptor has no room now.
func (j *job) once(fd uintptr) (n int, again bool, err error) {
	if j.raw != nil {
		return j.raw(fd)
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
	return 0, false, os.NewSyscallError("write", err)
}
