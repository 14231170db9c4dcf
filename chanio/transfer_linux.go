package chanio

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// newRoute returns the way by which the kernel moves bytes from in to to, if there is one.
func newRoute(up Upstream[[]byte], in ByteSource, to ByteSink) route {
	out, ok := to.(*outlet)
	if !ok || out.c.descriptor == nil {
		return nil
	}
	switch in := in.(type) {
	case *inlet:
		if in.c.descriptor != nil {
			return newSplicer(up, in, out)
		}
	case *readerSource:
		return newFileSender(up, in, out)
	}
	return nil
}

const (
	pipeSize    = 256 << 10 // asked for: what a splice moves at most, and what may have to be put back
	fSetPipeSz  = 1031      // F_SETPIPE_SZ
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
	sendfileMax = 1 << 20   // bytes by one sendfile, before other senders have their turn
)

// splicer moves bytes from socket to socket through a pipe of its own. The splice of the standard library drops what
// lies in its pipe when a deadline passes; this one puts it back into the source.
type splicer struct {
	up     Upstream[[]byte]
	in     *inlet
	out    *outlet
	r, w   int // the pipe
	n      int // bytes in it
	err    error
	pullFn func(fd uintptr) bool
	pushFn func(ctx context.Context) (int, error)
	write  attempt
}

func newSplicer(up Upstream[[]byte], in *inlet, out *outlet) route {
	var p [2]int
	if syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		return nil
	}
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(p[0]), fSetPipeSz, pipeSize) // a smaller one does as well
	s := &splicer{up: up, in: in, out: out, r: p[0], w: p[1]}
	s.pullFn, s.pushFn = s.tryPull, s.push
	s.write.init(s.tryPush)
	return s
}

func (s *splicer) close() {
	_ = syscall.Close(s.r)
	_ = syscall.Close(s.w)
}

func (s *splicer) move(ctx context.Context) (int, error) {
	if err := s.pull(ctx); err == errNoRoute {
		return 0, err
	} else if err != nil {
		return 0, s.up.Fail(ctx, err)
	}
	if s.n == 0 {
		return 0, nil
	}
	pulled := s.n
	err := s.out.exclusively(ctx, s.pushFn)
	moved := pulled - s.n
	if s.n > 0 {
		s.putBack()
	}
	return moved, err
}

// pull waits for bytes and takes them into the pipe. It may leave the pipe empty and bytes in the buffer of the inlet.
func (s *splicer) pull(ctx context.Context) error {
	in := s.in
	if in.err != nil {
		return in.err
	}
	in.c.out.letGo()
	if in.onWait != nil {
		in.onWait()
	}
	if in.gate.enter(ctx) != nil {
		return in.Fill(ctx, 1) // which says why, or finds what is left to be read
	}
	in.giveBack()
	for {
		s.err = nil
		err := in.c.descriptor.Read(s.pullFn)
		if err == nil {
			err = s.err
		}
		if s.n > 0 || err == errNoRoute {
			in.total.Add(int64(s.n))
			in.gate.leave()
			return err
		}
		if err = in.gate.judge(ctx, err); err == nil {
			err = in.again(ctx)
		}
		if err != nil {
			in.gate.leave()
			if in.gate.isShut(err) {
				return in.Fill(ctx, 1)
			}
			return in.fail(ctx, err)
		}
	}
}

// tryPull reports whether there is something to report; otherwise it is called again when there may be.
func (s *splicer) tryPull(fd uintptr) bool {
	for {
		n, err := syscall.Splice(int(fd), nil, s.w, nil, pipeSize, spliceFlags)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err == syscall.EINVAL || err == syscall.ENOSYS:
			s.err = errNoRoute
		case err != nil:
			s.err = s.in.raw.opError("splice", os.NewSyscallError("splice", err))
		case n == 0:
			s.err = io.EOF
		}
		s.n = int(max(n, 0))
		return true
	}
}

// push moves what is in the pipe to the socket, as long as ctx lives, and returns how much that was.
func (s *splicer) push(ctx context.Context) (int, error) {
	before := s.n
	for s.n > 0 {
		s.err = nil
		if err := s.out.whenWritable(ctx, &s.write); err != nil {
			return before - s.n, err
		}
		if s.err != nil {
			return before - s.n, s.err
		}
	}
	return before, nil
}

func (s *splicer) tryPush(fd uintptr) bool {
	for {
		n, err := syscall.Splice(s.r, nil, int(fd), nil, s.n, spliceFlags)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			s.err = s.out.raw.opError("splice", os.NewSyscallError("splice", err))
		}
		s.n -= int(max(n, 0))
		return true
	}
}

// putBack returns to the inlet what was not moved.
func (s *splicer) putBack() {
	p := make([]byte, s.n)
	got := 0
	for got < len(p) {
		n, err := syscall.Read(s.r, p[got:])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 {
			break // cannot be: so much is in the pipe
		}
		got += n
	}
	s.n = 0
	s.in.unread(p[:got])
}

// unread puts p in front of what arrives. Nothing is buffered; p is the inlet's from then on.
func (in *inlet) unread(p []byte) {
	if in.blk == nil {
		in.blk = borrow(0)
	}
	in.buf, in.r, in.w = p, 0, len(p)
	in.atHand.Store(len(p) > 0)
}

// fileSender moves bytes from a regular file to a socket. The kernel counts what it moved in the position of the file,
// so nothing is ever under way.
type fileSender struct {
	up   Upstream[[]byte]
	in   *readerSource
	file syscall.RawConn
	out  *outlet
	fd   int // of the file, while it is in use
	n    int
	err  error
	send attempt
}

func newFileSender(up Upstream[[]byte], in *readerSource, out *outlet) route {
	file, ok := in.r.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil
	}
	s := &fileSender{up: up, in: in, file: raw, out: out}
	s.send.init(s.trySend)
	return s
}

func (s *fileSender) close() {}

func (s *fileSender) move(ctx context.Context) (int, error) {
	if s.in.err != nil {
		return 0, s.up.Fail(ctx, s.in.err)
	}
	s.n, s.err = 0, nil
	err := s.out.exclusively(ctx, func(ctx context.Context) (int, error) {
		var err error
		if failed := s.file.Control(func(fd uintptr) {
			s.fd = int(fd)
			err = s.out.whenWritable(ctx, &s.send)
		}); failed != nil {
			return 0, errNoRoute // reading the file says why
		}
		if err == nil && s.err != io.EOF {
			err = s.err
		}
		return s.n, err
	})
	if err == nil && s.err == io.EOF {
		err = s.up.Fail(ctx, s.in.fail(ctx, io.EOF))
	}
	return s.n, err
}

func (s *fileSender) trySend(fd uintptr) bool {
	for {
		n, err := syscall.Sendfile(int(fd), s.fd, nil, sendfileMax)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err == syscall.EPIPE || err == syscall.ECONNRESET:
			s.err = s.out.raw.opError("sendfile", os.NewSyscallError("sendfile", err))
		case err != nil:
			s.err = errNoRoute // copying says what is wrong, if anything is
		case n == 0:
			s.err = io.EOF
		}
		s.n = max(n, 0)
		return true
	}
}

// opError is like that of rawReader, for a write.
func (w *rawWriter) opError(op string, err error) error {
	nc := w.c.nc
	return &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: err}
}

// exclusively calls write when nothing waits to be written, and keeps other senders waiting until it returns. write
// returns how many bytes it wrote; an error of the connection ends the outlet.
func (o *outlet) exclusively(ctx context.Context, write func(context.Context) (int, error)) error {
	if err := o.own(ctx); err != nil {
		return err
	}
	n, err := write(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.accepted += int64(n)
	o.written.Add(int64(n))
	switch {
	case o.err != nil:
		err = o.err
	case err != nil && err != errNoRoute && !isEndOf(ctx, err):
		if o.closing {
			err = net.ErrClosed // the half-close came between
		} else {
			o.fail(err)
		}
	}
	o.stopWriting()
	o.push()
	return err
}

// own waits until nobody writes and nothing waits to be written, and makes the caller the one who writes.
func (o *outlet) own(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.refusal() == nil && (o.writing || len(o.rest)+len(o.buf) > 0) {
		if err := o.await(ctx); err != nil {
			return err
		}
	}
	if err := o.refusal(); err != nil {
		return err
	}
	o.writing = true
	return nil
}

// attempt is a write of what there is to write, which reports whether the socket took some or failed.
type attempt struct {
	try  func(fd uintptr) bool
	once func(fd uintptr) bool // is try, and never waits
	done bool                  // what try reported then
}

func (a *attempt) init(try func(fd uintptr) bool) {
	a.try = try
	a.once = func(fd uintptr) bool {
		a.done = try(fd)
		return true
	}
}

// whenWritable makes the attempt, again each time that the socket may take something, until it is done. Only one that
// has to wait is bound to ctx.
func (o *outlet) whenWritable(ctx context.Context, a *attempt) error {
	a.done = false
	if err := o.c.descriptor.Write(a.once); err == nil && a.done {
		return nil
	}
	defer o.gate.release() // also if ctx has ended, since that sets the deadline
	if err := o.gate.enter(ctx); err != nil {
		return err
	}
	for {
		if o.writeTimeout > 0 {
			if err := o.c.nc.SetWriteDeadline(time.Now().Add(o.writeTimeout)); err != nil {
				return err
			}
			if ctx.Err() != nil { // its deadline may just have been overwritten
				return context.Cause(ctx)
			}
		}
		err := o.c.descriptor.Write(a.try)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if judged := o.gate.judge(ctx, err); judged != nil {
			return judged
		}
		if o.writeTimeout > 0 {
			return err
		}
	}
}
