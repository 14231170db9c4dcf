package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Concat passes on all values of the first source, then all of the next, and ends with the last. It owns all of them
// from the start: a failure of one ends the stream, and that or a Close closes the others. It works in the goroutine of
// the receiver. For sources that arrive over time there is [ConcatAll].
func Concat[T any](srcs ...*chanio.Source[T]) *chanio.Source[T] {
	ups := claimAll(srcs, "pipeline.Concat")
	now := 0
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: func(ctx context.Context) (v T, err error) {
			for now < len(ups) {
				if v, err = ups[now].Next(ctx); err != io.EOF {
					return v, err
				}
				now++
			}
			return v, io.EOF
		},
		Close:       func() error { return closeAll(ups) },
		Undelivered: undeliveredOf(ups),
		Describe:    func() chanio.Description { return describe(describeAll(ups)...) },
	})
}

// ConcatAll passes on all values of the first source that srcs brings, then all of the next, and ends when srcs does. A
// source is taken from srcs when the one before has ended. A failure of either ends the stream, and that or a Close
// closes srcs and the source at hand; the sources that srcs still holds are the business of its producer. It works in
// the goroutine of the receiver. It is Manifold's concat.
func ConcatAll[T any](srcs *chanio.Source[*chanio.Source[T]]) *chanio.Source[T] {
	c := &concatAll[T]{outer: srcs.Claim("pipeline.ConcatAll")}
	return chanio.NewSource(chanio.SourceHooks[T]{
		Next: c.next, Close: c.close,
		Describe: func() chanio.Description { return describe(c.outer.Describe()) },
	})
}

type concatAll[T any] struct {
	outer chanio.Upstream[*chanio.Source[T]]

	mu     sync.Mutex // for close, which runs beside next
	inner  *chanio.Upstream[T]
	closed bool
}

func (c *concatAll[T]) next(ctx context.Context) (v T, err error) {
	for {
		if c.inner == nil {
			src, err := c.outer.Next(ctx)
			if err != nil {
				return v, err
			}
			if err := c.enter(src.Claim("pipeline.ConcatAll")); err != nil {
				return v, err
			}
		}
		if v, err = c.inner.Next(ctx); err != io.EOF {
			return v, err
		}
		_ = c.enter(chanio.Upstream[T]{})
	}
}

// enter makes up the source at hand; the zero Upstream stands for none.
func (c *concatAll[T]) enter(up chanio.Upstream[T]) error {
	c.mu.Lock()
	closed := c.closed
	if c.inner = &up; up == (chanio.Upstream[T]{}) {
		c.inner = nil
	}
	c.mu.Unlock()
	if closed && c.inner != nil {
		_ = up.Close()
		return net.ErrClosed
	}
	return nil
}

func (c *concatAll[T]) close() error {
	err := c.outer.Close()
	c.mu.Lock()
	c.closed = true
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		err = errors.Join(err, inner.Close())
	}
	return err
}

func claimAll[T any](srcs []*chanio.Source[T], stage string) []chanio.Upstream[T] {
	ups := make([]chanio.Upstream[T], len(srcs))
	for i, src := range srcs {
		ups[i] = src.Claim(stage)
	}
	return ups
}

func closeAll[T any](ups []chanio.Upstream[T]) error {
	var errs []error
	for _, up := range ups {
		errs = append(errs, up.Close())
	}
	return errors.Join(errs...)
}

// undeliveredOf returns what takes over the values of ups that nobody received, if there is such a thing.
func undeliveredOf[T any](ups []chanio.Upstream[T]) func(T) {
	for _, up := range ups {
		if f := up.Undelivered(); f != nil {
			return f
		}
	}
	return nil
}

func describeAll[T any](ups []chanio.Upstream[T]) []chanio.Description {
	ds := make([]chanio.Description, len(ups))
	for i, up := range ups {
		ds[i] = up.Describe()
	}
	return ds
}
