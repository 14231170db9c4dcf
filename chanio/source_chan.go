package chanio

import "context"

// chanSize is the capacity of the channels that C returns.
const chanSize = 16

// sourceView is a Source seen as a channel, and the goroutine that fills it.
type sourceView[T any] struct {
	ch    chan T
	bound <-chan struct{} // Done of its ctx
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
	if v := s.liveView(ctx); v != nil {
		return v.ch
	}
	v := &sourceView[T]{ch: make(chan T, s.chanSize()), bound: ctx.Done()}
	if err := s.acquire(ctx); err != nil {
		s.setRanged(err)
		close(v.ch)
		return v.ch
	}
	s.bind(ctx)
	s.mu.Lock()
	s.view, s.ranged = v, nil
	s.aside.Store(true)
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
	if use := s.use.Load(); use != taken && use != awaited {
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
		if !returned {
			_ = s.finish(Recovered(recover()))
		}
		close(v.ch)
		s.release()
	}()
	s.fillAll(ctx, v)
	returned = true
}

func (s *Source[T]) fillAll(ctx context.Context, v *sourceView[T]) {
	closing := s.Done()
	for {
		x, err := s.pull(ctx)
		if err != nil {
			s.setRanged(err)
			return
		}
		select {
		case v.ch <- x:
		default:
			if !s.offer(ctx, v, closing, x) {
				return
			}
		}
	}
}

// offer waits for room in the channel. If ctx or the stream ends first, x is put back.
func (s *Source[T]) offer(ctx context.Context, v *sourceView[T], closing <-chan struct{}, x T) bool {
	select {
	case v.ch <- x:
		return true
	case <-ctx.Done():
		s.setRanged(Cause(ctx))
	case <-closing:
	}
	if s.hooks.Undelivered != nil {
		s.hooks.Undelivered(x)
	} else {
		s.unread(x)
	}
	return false
}

// unread puts v in front of what is received next. If s was closed, v goes where undelivered values go.
func (s *Source[T]) unread(v T) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.undelivered([]T{v})
		return
	}
	s.back = append([]T{v}, s.back...)
	s.aside.Store(true)
	s.mu.Unlock()
}

// reclaim takes back what an ended view left in its channel. The caller is the consumer, so that no goroutine fills it,
// and holds s.mu.
func (s *Source[T]) reclaim() {
	if s.view == nil {
		return
	}
	var left []T
	for x := range s.view.ch {
		left = append(left, x)
	}
	s.view = nil
	if len(left) > 0 && !s.closed {
		s.back = append(left, s.back...)
	}
}
