package pipeline

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Concat passes on all values of the first source, then all of the next, and ends with the last. It owns all of them
// from the start: a failure of one ends the stream, and that or a Close closes the others. It works in the goroutine of
// the receiver. For sources that arrive over time there is [ConcatAll].
func Concat[T any](srcs ...*chanio.Source[T]) *chanio.Source[T] {
	c := &concat[T]{inputs: claimAll(srcs, "Concat")}
	h := c.hooks()
	h.Next, h.TryNext, h.AtHand = c.next, c.tryNext, c.atHand
	for _, up := range c.ups {
		h.Borrowed = h.Borrowed || up.Borrowed()
	}
	return chanio.NewSource(h)
}

type concat[T any] struct {
	*inputs[T]
	now int
}

func (c *concat[T]) next(ctx context.Context) (v T, err error) {
	for c.now < len(c.ups) {
		if v, err = c.ups[c.now].Next(ctx); err == nil {
			c.took(c.now)
			return v, nil
		}
		if err != io.EOF {
			return v, err
		}
		c.now++
	}
	return v, io.EOF
}

func (c *concat[T]) tryNext() (v T, ok bool, err error) {
	for c.now < len(c.ups) {
		if v, ok, err = c.ups[c.now].TryNext(); ok {
			c.took(c.now)
			return v, true, nil
		}
		if err != io.EOF {
			return v, false, err
		}
		c.now++
	}
	return v, false, io.EOF
}

func (c *concat[T]) atHand(dst []T) []T {
	if c.now == len(c.ups) {
		return dst
	}
	c.took(c.now)
	return c.ups[c.now].AtHand(dst)
}

// inputs are the sources of a stage that has several.
type inputs[T any] struct {
	ups     []chanio.Upstream[T]
	careful bool         // values of some of them must be closed
	last    atomic.Int32 // where the latest value came from, if careful
}

func claimAll[T any](srcs []*chanio.Source[T], stage string) *inputs[T] {
	in := &inputs[T]{ups: make([]chanio.Upstream[T], len(srcs))}
	for i, src := range srcs {
		in.ups[i] = src.Claim("pipeline." + stage)
		in.careful = in.careful || in.ups[i].Undelivered() != nil
	}
	return in
}

// took notes that the value which is passed on comes from the source of that number.
func (in *inputs[T]) took(from int) {
	if in.careful {
		in.last.Store(int32(from))
	}
}

// drop gives a value that was passed on to the source that the latest came from.
func (in *inputs[T]) drop(v T) { in.ups[in.last.Load()].Drop(v) }

func (in *inputs[T]) close() error {
	var errs []error
	for _, up := range in.ups {
		errs = append(errs, up.Close())
	}
	return errors.Join(errs...)
}

func (in *inputs[T]) describe() (ds []chanio.Description) {
	for _, up := range in.ups {
		ds = append(ds, up.Describe())
	}
	return ds
}

// hooks returns those that concern all sources.
func (in *inputs[T]) hooks() chanio.SourceHooks[T] {
	h := chanio.SourceHooks[T]{
		Close:    in.close,
		Describe: func() chanio.Description { return describe(in.describe()...) },
	}
	if in.careful {
		h.Undelivered = in.drop
	}
	return h
}
