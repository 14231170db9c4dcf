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

// FromReader returns a Source of the bytes of r, in chunks that the receiver owns. Codecs run straight on its buffer of
// 32 KiB, which it holds from the first receive to the end. Nothing is read before somebody asks.
//
// r stays the caller's. What closes it, if anything does, is given as closers, such as the Close of a file: they are
// called once, when the stream has ended in whatever way, in the goroutine that ended it, also beside a Read; Close
// returns their errors.
//
// FromReader starts no goroutine, so it cannot make a Read return: ctx and Close take effect between two of them. Only
// if r has a working SetReadDeadline, like a net.Conn or a pipe from os.Pipe, do they interrupt it; the read deadline is
// the Source's from then on. A net.Conn as a whole is better given to [NewConn].
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
			_ = d.SetReadDeadline(t) // a file that has none is read without
		}
		return nil
	}))
	return s
}

// newReaderStream returns the Source of s, whose bytes are also seen as in.
func newReaderStream(kind string, s *readerSource, in ByteSource) *Source[[]byte] {
	return NewSource(SourceHooks[[]byte]{
		Next: s.Next, TryNext: s.TryNext, Close: s.close, Bytes: in,
		Describe: func() Description { return Description{Kind: kind} },
	})
}

// read returns what one Read of r brought, at least one byte unless there is an error.
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
			err = s.fail(ctx, err) // told after what came with it
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

// fail keeps an error that does not concern one call alone.
func (s *readerSource) fail(ctx context.Context, err error) error {
	if Resumable(ctx, err) {
		return err
	}
	s.Err = err
	s.deadline.Close(net.ErrClosed)
	_ = s.closers.close() // how the stream ended is what matters
	return err
}

func (s *readerSource) close() error {
	s.deadline.Close(net.ErrClosed)
	return s.closers.close()
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
