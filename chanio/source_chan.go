package chanio

import (
	"context"

	"github.com/weir-go/weir/internal/deadline"
)

// chanSize is the capacity of the channels that C returns.
const chanSize = 16

// sourceView is the channel of a Source, and the goroutine that fills it.
type sourceView[T any] struct {
	s  *Source[T]
	ch chan T
	c  *consumer // the goroutine
}

// C returns the values of s as a channel with a capacity of 16, for range and select. The channel is closed when the
// stream or ctx ends; Err then returns the reason. Values left in the channel, and the one being sent, are not lost:
// the next Recv, All or C receives them first. (If values of the Source must be closed, such as a listener's
// connections, the capacity is 0, and a value that was not received is closed.)
//
// C starts a goroutine, which ends with ctx or the stream. Called again with the same ctx, or one with the same Done
// channel, C returns the same channel while that is in use; goroutines may share it. With another ctx it panics, unless
// the first has ended.
func (s *Source[T]) C(ctx context.Context) <-chan T {
	if s.hooks.Borrowed {
		panic("chanio: Source.C: the values are borrowed, valid only until the next one is received")
	}
	for {
		v, left, wrong := openView(ctx, s)
		switch {
		case wrong != "":
			panic(wrong)
		case v != nil:
			return v.ch
		}
		if err := wait(ctx, left); err != nil {
			s.setRanged(err)
			none := make(chan T)
			close(none)
			return none
		}
	}
}

// openView returns the live view of s and ctx, or a new one; otherwise see [turn.tryReplace].
func openView[T any](ctx context.Context, s *Source[T]) (v *sourceView[T], left <-chan struct{}, wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.extra; x != nil && x.view != nil && x.view.isLive(ctx) {
		return x.view, nil, ""
	}
	c := &consumer{done: ctx.Done(), inC: true}
	c.state.Store(taken)
	if left, wrong = s.turn.tryReplace(ctx, c, s.hooks.End); left != nil || wrong != "" {
		return nil, left, wrong
	}
	s.reclaimLocked()
	size := chanSize
	if s.hooks.Undelivered != nil {
		size = 0
	}
	v = &sourceView[T]{s: s, ch: make(chan T, size), c: c}
	x := s.extraLocked()
	x.view, x.ranged = v, nil
	go v.fill(ctx)
	return v, nil, ""
}

// isLive reports whether v was made with this ctx and is still being filled.
func (v *sourceView[T]) isLive(ctx context.Context) bool {
	return v.c.state.Load() != gone && v.c.done == ctx.Done() && !deadline.Ended(v.c.done)
}

// fill is the goroutine of C.
func (v *sourceView[T]) fill(ctx context.Context) {
	defer v.s.turn.leave(v.c, gone)
	defer close(v.ch)
	defer v.s.aside.Store(true) // the next consumer takes what is left
	contain(func() {
		closing := v.s.Done()
		for v.fillOne(ctx, closing) {
		}
	}, v.s.broken)
}

// fillOne sends one value on the channel, and reports whether to continue.
func (v *sourceView[T]) fillOne(ctx context.Context, closing <-chan struct{}) bool {
	x, err := v.s.pull(ctx)
	if err != nil {
		v.s.setRanged(err)
		return false
	}
	select {
	case v.ch <- x:
		return true
	default:
		return v.offer(ctx, closing, x)
	}
}

// offer waits for room in the channel. If ctx or the stream ends first, x is put back, or passed to the Undelivered
// hook.
func (v *sourceView[T]) offer(ctx context.Context, closing <-chan struct{}, x T) bool {
	select {
	case v.ch <- x:
		return true
	case <-ctx.Done():
		v.s.setRanged(Cause(ctx))
	case <-closing:
	}
	if v.s.hooks.Undelivered != nil && !v.s.hooks.KeepUntaken {
		v.s.hooks.Undelivered(x)
	} else {
		v.s.unread(x)
	}
	return false
}

// isAhead reports whether values of s wait that were received from the endpoint: put back, or in a channel of C.
func isAhead[T any](s *Source[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extra
	return x != nil && (len(x.back) > 0 || x.view != nil && len(x.view.ch) > 0)
}

// unread puts v in front of the values to receive. If s was closed, v is passed to the Undelivered hook.
func (s *Source[T]) unread(v T) {
	s.mu.Lock()
	if s.closed {
		s.cut = true
		s.mu.Unlock()
		s.hooks.undelivered(v)
		return
	}
	x := s.extraLocked()
	x.putLocked(v)
	s.aside.Store(true)
	s.mu.Unlock()
}

// putLocked puts values back, to be received first.
func (x *sourceExtra[T]) putLocked(values ...T) {
	x.back = append(values, x.back...)
	if x.rest != nil {
		x.front += len(values)
	}
}

// reclaimLocked takes back what an ended view left in its channel, or drops it if s is closed. Only the consumer calls
// it. The view has set aside.
func (s *Source[T]) reclaimLocked() {
	x := s.extra
	if x == nil || x.view == nil || x.view.c.state.Load() != gone {
		return
	}
	var left []T
	for v := range x.view.ch {
		left = append(left, v)
	}
	x.view = nil
	if !s.closed {
		x.putLocked(left...)
	} else if len(left) > 0 {
		s.cut = true
	}
}
