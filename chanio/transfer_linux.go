package chanio

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
)

// newRoute returns a route on which the kernel moves the bytes of up to a sink, or nil.
func newRoute(ctx context.Context, up Upstream[[]byte], to ByteSink) route {
	out, ok := to.(RawSink)
	if !ok {
		return nil
	}
	in := up.s.hooks.Bytes
	file, isFile := in.(FileSource)
	raw, isRaw := in.(RawSource)
	if !isFile && !isRaw {
		return nil
	}
	nothing := func(uintptr) (int, bool, error) { return 0, false, nil }
	if _, err := out.WriteRaw(ctx, nothing); err != nil {
		return nil
	}
	if isFile {
		return newFileSender(up, file, out)
	}
	return newSplicer(up, raw, out)
}

const (
	pipeSize    = 256 << 10 // requested; limits what one splice moves and what must be put back
	fSetPipeSz  = 1031      // F_SETPIPE_SZ
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
	sendfileMax = 1 << 20   // bytes by one sendfile, before other senders have their turn
)

// splicer moves bytes from socket to socket through its own pipe. The splice of the standard library drops what is in
// its pipe when a deadline passes; this one puts it back into the source.
type splicer struct {
	up       Upstream[[]byte]
	in       RawSource
	out      RawSink
	r, w     int  // the pipe
	n        int  // bytes in it
	refused  bool // the kernel does not splice from this descriptor
	pull     RawFunc
	pushRest RawFunc
}

func newSplicer(up Upstream[[]byte], in RawSource, out RawSink) route {
	var p [2]int
	if syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		return nil
	}
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(p[0]), fSetPipeSz, pipeSize) // a smaller one does as well
	s := &splicer{up: up, in: in, out: out, r: p[0], w: p[1]}
	s.pull, s.pushRest = s.spliceIn, s.spliceOut
	return s
}

func (s *splicer) close() {
	_ = syscall.Close(s.r)
	_ = syscall.Close(s.w)
}

func (s *splicer) move(ctx context.Context) (int, error) {
	_, err := s.in.ReadRaw(ctx, s.pull)
	switch {
	case s.refused:
		return 0, errors.ErrUnsupported
	case s.n == 0 && errors.Is(err, errors.ErrUnsupported):
		return 0, err
	case s.n == 0 && err != nil:
		return 0, s.up.Fail(ctx, err)
	case s.n == 0:
		return 0, nil
	}
	moved, err := s.out.WriteRaw(ctx, s.pushRest)
	s.putBack()
	return moved, err
}

// spliceIn takes bytes of the source into the pipe.
func (s *splicer) spliceIn(fd uintptr) (n int, again bool, err error) {
	moved, err := splice(int(fd), s.w, pipeSize)
	switch {
	case err == syscall.EAGAIN:
		return 0, true, nil
	case err == syscall.EINVAL || err == syscall.ENOSYS:
		s.refused = true
		return 0, false, nil
	case err != nil:
		return 0, false, os.NewSyscallError("splice", err)
	case moved == 0:
		return 0, false, io.EOF
	}
	s.n += moved
	return moved, false, nil
}

// spliceOut moves what is in the pipe to the sink.
func (s *splicer) spliceOut(fd uintptr) (n int, again bool, err error) {
	for s.n > 0 {
		moved, err := splice(s.r, int(fd), s.n)
		if err == syscall.EAGAIN {
			return n, true, nil
		}
		if err != nil {
			return n, false, os.NewSyscallError("splice", err)
		}
		s.n -= moved
		n += moved
	}
	return n, false, nil
}

// putBack returns to the source what was not moved.
func (s *splicer) putBack() {
	if s.n == 0 {
		return
	}
	p := make([]byte, s.n)
	got := 0
	for got < len(p) {
		n, err := retry(func() (int, error) { return syscall.Read(s.r, p[got:]) })
		if n <= 0 || err != nil {
			break // the pipe has as much as was counted
		}
		got += n
	}
	s.n = 0
	s.up.Unread(p[:got])
}

// splice moves up to n bytes from one descriptor to another.
func splice(from, to, n int) (int, error) {
	return retry(func() (int, error) {
		moved, err := syscall.Splice(from, nil, to, nil, n, spliceFlags)
		return int(moved), err // its type depends on the architecture
	})
}

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// fileSender moves bytes from a regular file to a socket.
type fileSender struct {
	up   Upstream[[]byte]
	in   FileSource
	out  RawSink
	file syscall.RawConn

	fd      int // of the file, while it is in use
	off     int64
	left    int64
	refused bool // the kernel does not send this file; reading it reports the reason
	ended   bool
	send    RawFunc
}

func newFileSender(up Upstream[[]byte], in FileSource, out RawSink) route {
	file, _, _ := in.Section()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil
	}
	s := &fileSender{up: up, in: in, out: out, file: raw}
	s.send = s.sendfile
	return s
}

func (s *fileSender) close() {}

func (s *fileSender) move(ctx context.Context) (moved int, err error) {
	if !s.up.s.hooks.End.Open() {
		return 0, endError(s.up.s.hooks.End)
	}
	_, s.off, s.left = s.in.Section()
	failed := s.file.Control(func(fd uintptr) {
		s.fd = int(fd)
		moved, err = s.out.WriteRaw(ctx, s.send)
	})
	s.in.Skip(int64(moved))
	if failed != nil || s.refused || s.ended {
		return moved, errors.ErrUnsupported // reading the rest finds the end
	}
	return moved, err
}

func (s *fileSender) sendfile(fd uintptr) (n int, again bool, err error) {
	if s.left == 0 {
		s.ended = true
		return 0, false, nil
	}
	sent, err := retry(func() (int, error) {
		return syscall.Sendfile(int(fd), s.fd, &s.off, int(min(s.left, sendfileMax)))
	})
	switch err {
	case nil:
		s.ended = sent == 0
		return sent, false, nil
	case syscall.EAGAIN:
		return 0, true, nil
	case syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH,
		syscall.ENETUNREACH: // of the socket, which reports it once
		return 0, false, os.NewSyscallError("sendfile", err)
	}
	s.refused = true
	return 0, false, nil
}
