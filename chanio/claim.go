package chanio

import (
	"context"
	"fmt"
	"runtime"
)

// Who uses a Source. The word of Source.use holds one of these states; inBody has the number of the loan behind it, so
// that a loop that comes back finds out whether its loan was ended meanwhile.
//
//	vacant  nobody. A consumer takes it.
//	taken   a call of Recv or TryRecv, the goroutine of C, or All while it receives. The consumer lets go.
//	awaited like taken, and another consumer waits on Source.left.
//	inBody  All runs the body of its loop. The loop comes back to taken; once its ctx or the stream has ended, another
//	        consumer may take the Source.
//	owned   a stage, until Release. Once the ctx of Acquire has ended, other consumers wait on Source.left.
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
// if there is another, unless ctx has ended.
func (s *Source[T]) acquire(ctx context.Context) error {
	for !s.use.CompareAndSwap(vacant, taken) {
		if mine, err := s.await(ctx); mine || err != nil {
			return err
		}
	}
	return nil
}

// await waits, within ctx, until it is worth trying again to take the Source, and reports whether it has done so.
func (s *Source[T]) await(ctx context.Context) (mine bool, err error) {
	left, mine, wrong := s.contend(ctx)
	for range settling {
		if wrong == "" {
			break
		}
		runtime.Gosched()
		left, mine, wrong = s.contend(ctx)
	}
	if wrong != "" {
		panic(wrong)
	}
	if left == nil {
		return mine, nil
	}
	select {
	case <-left:
		return false, nil
	case <-ctx.Done():
		return false, Cause(ctx)
	}
}

// settling is how often a second consumer looks again before it is told that it is one: the first may have come a moment
// ago and not yet bound its ctx, so that the one which contend sees is of a consumer before it.
const settling = 100

// contend finds out what to do about the present consumer: nothing because it has gone or its loan was ended in favour
// of the caller (mine), to wait for left, or to complain that two are one too many (wrong).
func (s *Source[T]) contend(ctx context.Context) (left <-chan struct{}, mine bool, wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	use := s.use.Load()
	if use == vacant {
		return nil, false, ""
	}
	if over := isClosed(s.bound) || use != owned && !s.end.Open(); !over {
		if ctx != expired && ctx.Err() != nil {
			return never, false, "" // a call whose ctx has ended is no second consumer
		}
		return nil, false, s.contention(ctx, use)
	}
	if use&stateMask == inBody {
		return nil, s.use.CompareAndSwap(use, taken), ""
	}
	if use == taken && !s.use.CompareAndSwap(taken, awaited) {
		return nil, false, ""
	}
	if s.left == nil {
		s.left = make(chan struct{})
	}
	return s.left, false, ""
}

// never is a channel that is not closed.
var never = make(chan struct{})

// contention says what is wrong about a second consumer.
func (s *Source[T]) contention(ctx context.Context, use uint64) string {
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
	s.bindLocked(ctx)
	s.mu.Unlock()
}

func (s *Source[T]) bindLocked(ctx context.Context) {
	s.bound = ctx.Done()
	s.reclaimLocked()
}

// release ends what acquire began.
func (s *Source[T]) release() {
	if s.use.CompareAndSwap(taken, vacant) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vacateLocked()
}

func (s *Source[T]) vacateLocked() {
	s.use.Store(vacant)
	s.wakeLocked()
}

// wakeLocked tells those who wait that the consumer has let go.
func (s *Source[T]) wakeLocked() {
	if s.left != nil {
		close(s.left)
		s.left = nil
	}
}

// lend notes that the consumer runs the body of its loop. It returns what takeBack wants.
func (s *Source[T]) lend() (use uint64) {
	s.loans += loan
	use = s.loans | inBody
	if !s.use.CompareAndSwap(taken, use) { // somebody waits: the ctx of the loop has ended
		s.mu.Lock()
		s.use.Store(use)
		s.wakeLocked()
		s.mu.Unlock()
	}
	return use
}

// takeBack ends a loan and reports whether the caller was still the consumer. It goes on as the consumer if the state
// to is taken, and lets go if it is vacant.
func (s *Source[T]) takeBack(use, to uint64) bool { return s.use.CompareAndSwap(use, to) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
