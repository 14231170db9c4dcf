package pipeline

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
)

// Concat passes on all values of the first source, then all of the next, and ends with the last. It owns all sources
// from the start: a failure of one ends the stream, and a failure or Close closes the others. It works in the
// receiver's goroutine. For sources that arrive over time, see [ConcatAll].
func Concat[T any](srcs ...*chanio.Source[T]) *chanio.Source[T] {
	in, now := claimAll(srcs, "Concat"), 0
	h := in.hooks(func(ctx context.Context) (v T, ok bool, err error) {
		for ; now < len(in.ups); now++ {
			if v, ok, err = take(ctx, in.ups[now]); ok {
				in.took(now)
			}
			if err != io.EOF {
				return v, ok, err
			}
		}
		if ctxEnded(ctx) {
			return v, false, chanio.Cause(ctx)
		}
		return v, false, io.EOF
	})
	h.AtHand = func(dst []T) []T {
		if now == len(in.ups) {
			return dst
		}
		in.took(now)
		return in.ups[now].AtHand(dst)
	}
	return chanio.NewSource(h)
}

// inputs holds the sources of a stage that has several.
type inputs[T any] struct {
	ups      []chanio.Upstream[T]
	borrowed bool         // values of some source are
	careful  bool         // values of some source must be closed
	last     atomic.Int32 // the source of the latest value, if careful
}

func claimAll[T any](srcs []*chanio.Source[T], stage string) *inputs[T] {
	in := &inputs[T]{ups: make([]chanio.Upstream[T], len(srcs))}
	for i, src := range srcs {
		in.ups[i] = src.Claim("pipeline." + stage)
		in.borrowed = in.borrowed || in.ups[i].Borrowed()
		in.careful = in.careful || in.ups[i].Undelivered() != nil
	}
	return in
}

// took records that the value being passed on comes from source number from.
func (in *inputs[T]) took(from int) {
	if in.careful {
		in.last.Store(int32(from))
	}
}

// drop gives a value that was not received back to the source of the latest value.
func (in *inputs[T]) drop(v T) { in.ups[in.last.Load()].Drop(v) }

func (in *inputs[T]) close() (err error) {
	for _, up := range slices.Backward(in.ups) {
		defer func() { err = errors.Join(err, up.Close()) }() // all of them, even if one panics
	}
	return nil
}

func (in *inputs[T]) describe() (ds []chanio.Description) {
	for _, up := range in.ups {
		ds = append(ds, up.Describe())
	}
	return ds
}

// hooks returns the hooks of a stage over the sources.
func (in *inputs[T]) hooks(next pull[T]) chanio.SourceHooks[T] {
	h := hooks(next, in.close, in.describe)
	h.Borrowed = in.borrowed
	if in.careful {
		h.Undelivered, h.KeepUntaken = in.drop, true
	}
	return h
}
