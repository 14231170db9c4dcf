package pipeline

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// ConcatAll passes on all values of the first source that srcs yields, then all of the next, and ends when srcs does.
// It takes a source from srcs when the one before has ended. A failure of either ends the stream, and a failure or
// Close closes srcs and the current source; the producer of srcs remains responsible for the sources that it still
// holds. ConcatAll works in the receiver's goroutine. Channels of the stream have no capacity, because the values of a
// later source might have to be closed.
func ConcatAll[T any](srcs *chanio.Source[*chanio.Source[T]]) *chanio.Source[T] {
	outer, in := srcs.Claim("pipeline.ConcatAll"), &inner[T]{}
	h := derive(outer, func(ctx context.Context) (v T, ok bool, err error) {
		for {
			if !in.open {
				src, ok, err := take(ctx, outer)
				if ok {
					err = in.set(src, "ConcatAll")
				}
				if !ok || err != nil {
					return v, false, err
				}
			}
			if v, ok, err = take(ctx, *in.up); err != io.EOF {
				return v, ok, err
			}
			in.open = false
		}
	})
	h.AtHand, h.Undelivered, h.KeepUntaken = in.atHand, in.drop, true
	h.Close = func() error { return errors.Join(outer.Close(), in.close()) }
	return chanio.NewSource(h)
}

// inner is the current source of a stage that reads one source after another, or the last one.
type inner[T any] struct {
	open bool // up has not ended; for the receiver

	mu     sync.Mutex
	up     *chanio.Upstream[T] // written only by the receiver
	closed bool
}

// set makes src the current source, or closes it if the stage has been closed.
func (in *inner[T]) set(src *chanio.Source[T], stage string) error {
	up := claimToHold(src, stage)
	in.mu.Lock()
	in.up, in.open = &up, true
	closed := in.closed
	in.mu.Unlock()
	if !closed {
		return nil
	}
	_ = up.Close()
	return net.ErrClosed
}

func (in *inner[T]) atHand(dst []T) []T {
	if !in.open {
		return dst
	}
	return in.up.AtHand(dst)
}

// drop gives a value that was not received back to the latest source.
func (in *inner[T]) drop(v T) { in.present().Drop(v) }

func (in *inner[T]) close() error {
	in.mu.Lock()
	in.closed = true
	up := in.up
	in.mu.Unlock()
	if up == nil {
		return nil
	}
	return up.Close()
}

// present returns the latest source, or nil before the first.
func (in *inner[T]) present() *chanio.Upstream[T] {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.up
}
