package chanio

import "context"

// chanSize is the capacity of the channels that C returns.
const chanSize = 16

// sourceView is a Source seen as a channel, and the goroutine that fills it.
type sourceView[T any] struct {
	s  *Source[T]
	ch chan T
	c  *consumer // the goroutine
}

// C returns the values of s as a channel with a capacity of 16, for range and select. It is closed when the stream or
// ctx ends; Err then says which and why. Values that nobody took from it, and the one that was on its way, are not
// lost: the next Recv, All or C has them first. (Of a Source whose values somebody must close, such as a listener's
// connections, the capacity is 0, and a value that nobody took is closed.)
//
// C starts a goroutine, which ends with ctx or the stream. Called again with the same ctx, or one with the same Done
// channel, C returns the same channel while that lives; goroutines may share it. With another ctx it panics.
func (s *Source[T]) C(ctx context.Context) <-chan T {
	if s.hooks.Borrowed {
		panic("chanio: Source.C: the values are borrowed, valid only until the next one is received")
	}
	for {
		v, left, wrong := s.openView(ctx)
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

// openView returns the live view of ctx, or a fresh one; otherwise what [turn.tryReplace] does.
func (s *Source[T]) openView(ctx context.Context) (v *sourceView[T], left <-chan struct{}, wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view != nil && s.view.isLive(ctx) {
		return s.view, nil, ""
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
	s.view = &sourceView[T]{s: s, ch: make(chan T, size), c: c}
	s.ranged = nil
	go s.view.fill(ctx)
	return s.view, nil, ""
}

// isLive reports whether v was made with this ctx and is still being filled.
func (v *sourceView[T]) isLive(ctx context.Context) bool {
	return v.c.state.Load() != gone && v.c.done == ctx.Done() && !isClosed(v.c.done)
}

// fill is the goroutine of C.
func (v *sourceView[T]) fill(ctx context.Context) {
	returned := false
	defer func() {
		defer v.s.turn.leave(v.c, gone)
		defer close(v.ch)
		defer v.s.aside.Store(true) // the next consumer takes what is left
		if !returned {
			v.s.broken(recover())
		}
	}()
	closing := v.s.Done()
	for more := true; more; {
		x, err := v.s.pull(ctx)
		if err != nil {
			v.s.setRanged(err)
			break
		}
		select {
		case v.ch <- x:
		default:
			more = v.offer(ctx, closing, x)
		}
	}
	returned = true
}

// offer waits for room in the channel. If ctx or the stream ends first, x is put back, or goes where undelivered values go.
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

// unread puts v in front of what is received next. If s was closed, v goes where undelivered values go.
func (s *Source[T]) unread(v T) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.hooks.undelivered(v)
		return
	}
	s.back = append([]T{v}, s.back...)
	s.aside.Store(true)
	s.mu.Unlock()
}

// reclaimLocked takes back what an ended view left in its channel. The caller is the consumer.
func (s *Source[T]) reclaimLocked() {
	if s.view == nil || s.view.c.state.Load() != gone {
		return
	}
	var left []T
	for x := range s.view.ch {
		left = append(left, x)
	}
	s.view = nil
	if len(left) > 0 && !s.closed {
		s.back = append(left, s.back...)
		s.aside.Store(true)
	}
}
