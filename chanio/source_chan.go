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
	mine := false
	for {
		if v, fresh := s.openView(ctx, mine); fresh {
			go s.fill(ctx, v)
			return v.ch
		} else if v != nil {
			return v.ch
		}
		var err error
		if mine, err = s.await(ctx); err != nil {
			s.setRanged(err)
			none := make(chan T)
			close(none)
			return none
		}
	}
}

// openView returns the live view of ctx, or a fresh one if the Source is vacant, or already taken by the caller (mine).
func (s *Source[T]) openView(ctx context.Context, mine bool) (v *sourceView[T], fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !mine {
		if v := s.liveViewLocked(ctx); v != nil {
			return v, false
		}
		if !s.use.CompareAndSwap(vacant, taken) {
			return nil, false
		}
	}
	s.bindLocked(ctx)
	s.view = &sourceView[T]{ch: make(chan T, s.chanSize()), bound: ctx.Done()}
	s.ranged = nil
	s.aside.Store(true)
	return s.view, true
}

func (s *Source[T]) chanSize() int {
	if s.hooks.Undelivered != nil {
		return 0
	}
	return chanSize
}

// liveViewLocked returns the view that was made with this ctx and is still being filled.
func (s *Source[T]) liveViewLocked(ctx context.Context) *sourceView[T] {
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
		defer s.release()
		defer close(v.ch)
		if !returned {
			s.broken(recover())
		}
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

// offer waits for room in the channel. If ctx or the stream ends first, x is put back, or goes where undelivered values go.
func (s *Source[T]) offer(ctx context.Context, v *sourceView[T], closing <-chan struct{}, x T) bool {
	select {
	case v.ch <- x:
		return true
	case <-ctx.Done():
		s.setRanged(Cause(ctx))
	case <-closing:
	}
	if s.hooks.Undelivered != nil && !s.hooks.KeepUntaken {
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

// reclaimLocked takes back what an ended view left in its channel. The caller is the consumer, so that no goroutine fills
// it.
func (s *Source[T]) reclaimLocked() {
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
		s.aside.Store(true)
	}
}
