package chanio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/stream"
)

// FromReader returns a Source of the bytes of r, in chunks that the receiver owns. Codecs decode directly from its
// buffer of 32 KiB, which it holds from the first receive to the end. It reads only when a receiver asks.
//
// The caller still owns r. closers, such as the Close of a file, are called once, when the stream has ended in any way,
// by the goroutine that ended it, possibly during a Read; Close returns their errors.
//
// FromReader starts no goroutine, so it cannot interrupt a Read: ctx and Close take effect between reads. They
// interrupt a Read only if r has a working SetReadDeadline, as a net.Conn and a pipe from os.Pipe do; the read deadline
// then belongs to the Source. For a whole net.Conn use [NewConn].
func FromReader(r io.Reader, closers ...func() error) *Source[[]byte] {
	if r == nil {
		panic("chanio: FromReader: r is nil")
	}
	s := newReaderSource(r, closers)
	return newReaderStream("chanio.FromReader", s, s)
}

// readerSource is a ByteSource over an io.Reader.
type readerSource struct {
	r        io.Reader
	timed    bool // r has SetReadDeadline
	deadline deadline.Deadline
	closers  onceClosers
	stream.Window
}

func newReaderSource(r io.Reader, closers []func() error) *readerSource {
	s := &readerSource{r: r, closers: onceClosers{funcs: closers}}
	s.Once = s.read
	d, ok := r.(interface{ SetReadDeadline(time.Time) error })
	s.timed = ok
	s.deadline.Init(deadline.Func(func(t time.Time) error {
		if ok {
			_ = d.SetReadDeadline(t) // a file without deadlines is read without one
		}
		return nil
	}))
	return s
}

// newReaderStream returns the Source of s, whose bytes in exposes as well.
func newReaderStream(kind string, s *readerSource, in ByteSource) *Source[[]byte] {
	return NewSource(SourceHooks[[]byte]{
		Next: s.Next, TryNext: s.TryNext, Close: s.close, Bytes: in,
		Describe: func() Description { return Description{Kind: kind} },
	})
}

// read returns the result of one Read of r: at least one byte, or an error.
func (s *readerSource) read(ctx context.Context, p []byte) (int, error) {
	if err := s.deadline.Enter(ctx, time.Time{}); err != nil {
		return 0, s.fail(ctx, err)
	}
	defer s.deadline.Leave()
	for range stream.MaxEmpty {
		if err := s.deadline.Arm(); err != nil {
			return 0, s.fail(ctx, err)
		}
		n, err := s.r.Read(p)
		if err != nil && s.timed {
			err = s.deadline.Judge(ctx, err)
		}
		if err != nil && (n == 0 || !Resumable(ctx, err)) {
			err = s.fail(ctx, err) // reported after the bytes read with it
		}
		switch {
		case n > 0:
			return n, nil
		case err != nil:
			return 0, err
		case ctx.Err() != nil:
			return 0, Cause(ctx)
		}
	}
	return 0, s.fail(ctx, io.ErrNoProgress)
}

// fail keeps an error unless it concerns only one call.
func (s *readerSource) fail(ctx context.Context, err error) error {
	if Resumable(ctx, err) {
		return err
	}
	s.Err = err
	s.deadline.Close(net.ErrClosed)
	_ = s.closers.close() // the end of the stream is reported instead
	return err
}

func (s *readerSource) close() error {
	s.deadline.Close(net.ErrClosed)
	return s.closers.close()
}

// onceClosers holds the functions to call at the end of an adapter.
type onceClosers struct {
	funcs []func() error
	done  atomic.Bool
}

// close calls all of them, the first time. They may call close again.
func (c *onceClosers) close() error {
	if c.done.Swap(true) {
		return nil
	}
	var errs []error
	for _, f := range c.funcs {
		if f != nil {
			errs = append(errs, f())
		}
	}
	return errors.Join(errs...)
}
