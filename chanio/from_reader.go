package chanio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// FromReader returns a Source of the bytes of r, in chunks that the receiver owns. Codecs run straight on its buffer of
// 32 KiB, which it holds from the first receive to the end. Nothing is read before somebody asks.
//
// r stays the caller's. What closes it, if anything does, is given as closers, such as the Close of a file: they are
// called once, when the stream has ended in whatever way, in the goroutine that ended it, also beside a Read; Close
// returns their errors.
//
// FromReader starts no goroutine, so it cannot make a Read return: ctx and Close take effect between two of
// them. Only if r has a working SetReadDeadline, like a net.Conn or a pipe from os.Pipe, do they interrupt it; the read
// deadline is the Source's from then on. A net.Conn as a whole is better given to [NewConn].
func FromReader(r io.Reader, closers ...func() error) *Source[[]byte] {
	if r == nil {
		panic("chanio: FromReader: r is nil")
	}
	s := newReaderSource(r, closers)
	return newReaderStream("chanio.FromReader", s, s)
}

func newReaderSource(r io.Reader, closers []func() error) *readerSource {
	s := &readerSource{r: r, closers: onceClosers{funcs: closers}}
	d, ok := r.(interface{ SetReadDeadline(time.Time) error })
	s.deadlines = ok
	s.gate.nc = deadlineOnly{set: func(t time.Time) {
		if ok {
			_ = d.SetReadDeadline(t) // a file that has none is read without
		}
	}}
	return s
}

// newReaderStream returns the Source of s, whose bytes are also seen as in.
func newReaderStream(kind string, s *readerSource, in ByteSource) *Source[[]byte] {
	return NewSource(SourceHooks[[]byte]{
		Next: s.next, TryNext: s.tryNext, Close: s.close, Bytes: in,
		Describe: func() Description { return Description{Kind: kind} },
	})
}

// deadlineOnly is as much of a net.Conn as a gate uses.
type deadlineOnly struct {
	net.Conn // nil
	set      func(time.Time)
}

func (d deadlineOnly) SetReadDeadline(t time.Time) error {
	d.set(t)
	return nil
}

func (d deadlineOnly) SetWriteDeadline(t time.Time) error {
	d.set(t)
	return nil
}

// readerSource is a ByteSource over an io.Reader.
type readerSource struct {
	r         io.Reader
	gate      gate
	deadlines bool // r has SetReadDeadline
	closers   onceClosers

	blk  *block
	buf  []byte // blk.buf, or a larger one
	i, j int    // unread are buf[i:j]
	err  error  // what comes after them
}

func (s *readerSource) next(ctx context.Context) ([]byte, error) {
	if s.i == s.j {
		if err := s.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	chunk := s.Clone(s.Buffered())
	s.Discard(len(chunk))
	return chunk, nil
}

func (s *readerSource) tryNext() ([]byte, bool, error) {
	if s.i == s.j {
		return nil, false, nil
	}
	chunk := s.Clone(s.Buffered())
	s.Discard(len(chunk))
	return chunk, true, nil
}

func (s *readerSource) Buffered() []byte { return s.buf[s.i:s.j] }

func (s *readerSource) Clone(p []byte) []byte { return s.blk.clone(p) }

func (s *readerSource) Discard(n int) {
	if s.i += n; s.i == s.j {
		s.i, s.j = 0, 0
	}
}

func (s *readerSource) Fill(ctx context.Context, n int) error {
	if s.err != nil {
		s.tidy()
		return s.err
	}
	m, err := s.read(ctx, s.space(n))
	s.j += m
	return err
}

func (s *readerSource) Read(ctx context.Context, p []byte) (int, error) {
	if s.i < s.j {
		n := copy(p, s.Buffered())
		s.Discard(n)
		return n, nil
	}
	if s.err != nil || len(p) == 0 {
		s.tidy()
		return 0, s.err
	}
	return s.read(ctx, p)
}

// read returns what one Read of r brought, at least one byte unless there is an error.
func (s *readerSource) read(ctx context.Context, p []byte) (int, error) {
	if err := s.gate.enter(ctx); err != nil {
		return 0, s.fail(ctx, err)
	}
	defer s.gate.leave()
	for range 100 {
		n, err := s.r.Read(p)
		if err != nil {
			err = s.judge(ctx, err)
		}
		if n > 0 {
			if err != nil {
				_ = s.fail(ctx, err) // it is told after these bytes
			}
			return n, nil
		}
		if err != nil {
			return 0, s.fail(ctx, err)
		}
		if ctx.Err() != nil {
			return 0, Cause(ctx)
		}
	}
	return 0, s.fail(ctx, io.ErrNoProgress)
}

// judge returns what an error of r means: nil for a deadline that was set for an earlier call.
func (s *readerSource) judge(ctx context.Context, err error) error {
	if !s.deadlines {
		return err
	}
	if err = s.gate.judge(ctx, err); err != nil {
		return err
	}
	s.gate.leave()
	return s.gate.enter(ctx)
}

// fail keeps an error that is not the affair of one call.
func (s *readerSource) fail(ctx context.Context, err error) error {
	if Resumable(ctx, err) {
		return err
	}
	s.err = err
	s.gate.close(net.ErrClosed)
	_ = s.closers.close() // how the stream ended is what matters
	return err
}

func (s *readerSource) close() error {
	s.gate.close(net.ErrClosed)
	return s.closers.close()
}

// space returns room behind what is buffered. The buffer grows only when it is full of bytes that have come (G14).
func (s *readerSource) space(want int) []byte {
	if s.blk == nil {
		s.blk = borrow(0)
		s.buf = s.blk.buf
	}
	if s.j < len(s.buf) && (s.i == 0 || s.j-s.i+want <= len(s.buf)-s.i) {
		return s.buf[s.j:]
	}
	if s.i > 0 {
		s.j = copy(s.buf, s.Buffered())
		s.i = 0
	}
	if s.j == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	return s.buf[s.j:]
}

// tidy returns the buffer after the end, once nothing is left in it. Only Fill and Read call it: until then what was
// discarded stays unchanged.
func (s *readerSource) tidy() {
	if s.blk != nil && s.err != nil && s.i == s.j {
		s.blk.giveBack()
		s.blk, s.buf, s.i, s.j = nil, nil, 0, 0
	}
}

// onceClosers is what to close at the end of an adapter.
type onceClosers struct {
	funcs []func() error
	done  atomic.Bool
}

// close calls all of them, the first time. They may come back here.
func (c *onceClosers) close() error {
	if c.done.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range c.funcs {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
