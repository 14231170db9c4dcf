package chanio

import "context"

// chanSize is the capacity of the channels that C returns.
const chanSize = 16

// sourceView is a Source seen as a channel, and the goroutine that fills it.
type sourceView[T any] struct {
	ch    chan T
	bound <-chan struct{} // of its ctx
}

// C returns the values of s as a channel with a capacity of 16, for range and select. It is closed when the stream or
// ctx ends; Err then says which and why. Values that nobody took from it, and the one that was on its way, are not
// lost: the next Recv, All or C has them first. (Of a Source whose values somebody must close, such as a listener's
// connections, the capacity is 0, and one that nobody took is closed.)
//
// C starts a goroutine, which ends with ctx or the stream. Called again with the same ctx, or one with the same Done
// channel, C returns the same channel while that lives; goroutines may share it. With another ctx it panics.
func (s *Source[T]) C(ctx context.Context) <-chan T {
	if v := s.liveView(ctx); v != nil {
		return v.ch
	}
	s.enter(ctx, false)
	v := &sourceView[T]{ch: make(chan T, s.chanSize()), bound: ctx.Done()}
	s.mu.Lock()
	s.view, s.ranged = v, nil
	s.mu.Unlock()
	go s.fill(ctx, v)
	return v.ch
}

func (s *Source[T]) chanSize() int {
	if s.hooks.Undelivered != nil {
		return 0
	}
	return chanSize
}

// liveView returns the view that was made with this ctx and is still being filled.
func (s *Source[T]) liveView(ctx context.Context) *sourceView[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if busy := s.busy.Load(); busy != taken && busy != awaited {
		return nil
	}
	if v := s.view; v != nil && v.bound == ctx.Done() && !isClosed(v.bound) {
		return v
	}
	return nil
}

// fill is the goroutine of C.
func (s *Source[T]) fill(ctx context.Context, v *sourceView[T]) {
	returned := false
	defer func() {
		if !returned && s.finish(ended, Recovered(recover())) && s.hooks.Close != nil {
			_ = s.hooks.Close()
		}
		close(v.ch)
		s.leave()
	}()
	closing, over := s.Done(), ctx.Done()
	for {
		x, err := s.pull(ctx)
		if err != nil {
			s.setRanged(err)
			break
		}
		select {
		case v.ch <- x:
			if !isClosed(over) {
				continue
			}
			s.setRanged(context.Cause(ctx))
		default:
			if s.offer(ctx, v, closing, x) {
				continue
			}
		}
		break
	}
	returned = true
}

// offer waits for room in the channel. If ctx ends first x is put back, unless it goes to Undelivered; if s is closed
// first x is dropped.
func (s *Source[T]) offer(ctx context.Context, v *sourceView[T], closing <-chan struct{}, x T) bool {
	select {
	case v.ch <- x:
		return true
	case <-ctx.Done():
		s.setRanged(context.Cause(ctx))
		if s.hooks.Undelivered == nil {
			s.back = append([]T{x}, s.back...)
			return false
		}
	case <-closing:
	}
	if s.hooks.Undelivered != nil {
		s.hooks.Undelivered(x)
	}
	return false
}

// reclaim takes back what an ended view left in its channel. The caller is the consumer, so no goroutine fills it.
func (s *Source[T]) reclaim() {
	if s.view == nil {
		return
	}
	var left []T
	for x := range s.view.ch {
		left = append(left, x)
	}
	s.view = nil
	if len(left) > 0 {
		s.back = append(left, s.back...)
	}
}
