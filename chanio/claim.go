package chanio

import (
	"context"
	"fmt"
)

// Who uses a Source. The word of Source.use holds one of these states; inBody has the number of the loan behind it, so
// that a loop that comes back finds out whether its loan was ended meanwhile.
//
//	vacant  nobody. A consumer takes it.
//	taken   a call of Recv or TryRecv, the goroutine of C, or All while it receives. The consumer lets go.
//	awaited like taken, and another consumer waits on Source.left.
//	inBody  All runs the body of its loop. The loop comes back to taken; once its ctx or the stream has ended, another
//	        consumer may take the Source.
//	owned   a stage, until Release.
const (
	vacant = iota
	taken
	awaited
	owned
	inBody
	stateMask = 7
	loan      = 8
)

// acquire makes the caller the consumer. It waits, within ctx, for a consumer whose ctx has ended to let go, and panics
// if there is another.
func (s *Source[T]) acquire(ctx context.Context) error {
	for !s.use.CompareAndSwap(vacant, taken) {
		left, mine := s.contend(ctx)
		if mine {
			return nil
		}
		if left == nil {
			continue
		}
		select {
		case <-left:
		case <-ctx.Done():
			return Cause(ctx)
		}
	}
	return nil
}

// contend finds out what to do about the present consumer: nothing because it has gone or its loan was ended in favour
// of the caller (mine), or to wait for left.
func (s *Source[T]) contend(ctx context.Context) (left <-chan struct{}, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use := s.use.Load()
	if use == vacant {
		return nil, false
	}
	if use == owned || !isClosed(s.bound) && s.end.Open() {
		panic(s.contention(ctx, use))
	}
	if use&stateMask == inBody {
		return nil, s.use.CompareAndSwap(use, taken)
	}
	if use == taken && !s.use.CompareAndSwap(taken, awaited) {
		return nil, false
	}
	if s.left == nil {
		s.left = make(chan struct{})
	}
	return s.left, false
}

// contention says what is wrong about a second consumer.
func (s *Source[T]) contention(ctx context.Context, use uint32) string {
	const tee = "; to give its values to several consumers, use pipeline.Tee"
	switch {
	case use == owned:
		return fmt.Sprintf("chanio: this Source already has a consumer, %s%s", s.owner, tee)
	case use&stateMask == inBody:
		return "chanio: this Source is being received from by a range over All or Values, whose body (or another goroutine) must not receive from it too" + tee
	case s.view != nil && s.view.bound != ctx.Done():
		return "chanio: this Source already has a consumer, a channel from C with another ctx that has not ended; goroutines may share that channel" + tee
	}
	return "chanio: this Source already has a consumer, another Recv, All or C" + tee
}

// bind notes the ctx of the consumer, and takes back what an earlier channel still holds.
func (s *Source[T]) bind(ctx context.Context) {
	s.mu.Lock()
	s.bound = ctx.Done()
	s.reclaim()
	s.mu.Unlock()
}

// release ends what acquire began.
func (s *Source[T]) release() {
	if s.use.CompareAndSwap(taken, vacant) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.use.Store(vacant)
	s.wake()
}

// wake tells those who wait that the consumer has let go. The caller holds s.mu.
func (s *Source[T]) wake() {
	if s.left != nil {
		close(s.left)
		s.left = nil
	}
}

// lend notes that the consumer runs the body of its loop. It returns what takeBack wants.
func (s *Source[T]) lend() (use uint32) {
	s.loans += loan
	use = s.loans | inBody
	if !s.use.CompareAndSwap(taken, use) { // somebody waits: the ctx of the loop has ended
		s.mu.Lock()
		s.use.Store(use)
		s.wake()
		s.mu.Unlock()
	}
	return use
}

// takeBack ends a loan and reports whether the caller was still the consumer. It goes on as the consumer if the state
// to is taken, and lets go if it is vacant.
func (s *Source[T]) takeBack(use, to uint32) bool { return s.use.CompareAndSwap(use, to) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
