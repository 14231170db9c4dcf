package chanio

import "context"

// sinkView is a Sink seen as a channel, and the goroutine that empties it.
//
// The goroutine passes values on until the channel is closed, or ctx or the stream ends. From then on, passed is closed
// and it discards what comes, until the channel is closed or nobody can send any more; gone is closed then.
type sinkView[T any] struct {
	ch     chan T
	bound  <-chan struct{}    // Done of its ctx
	settle chan chan struct{} // asks for what ch holds to be passed on, and is told when that is done
	passed chan struct{}
	gone   chan struct{}
	prev   *sinkView[T] // what it holds comes first
	stop   func()       // takes settled back

	refused bool // a value was, and the half is to be closed because of that; of the goroutine
}

// C returns a channel with a capacity of 16 whose values are sent to s. A completed send on it counts as accepted: Flush,
// Close, the return of a handler and the end of ctx all pass on what the channel holds at that moment. Later values are
// received and discarded, so that a bare send never hangs, until the channel is closed or the connection is released
// (without a connection, until ctx ends). Closing the channel means [Sink.Close]; only a sole sender does that.
//
// C starts a goroutine, which ends when the channel is closed or the connection released, otherwise with ctx. Called
// again with the same ctx, or one with the same Done channel, C returns the same channel while that lives; with another
// ctx it panics. After the end of the stream it returns a channel that discards. A value that the endpoint refuses, such
// as one that its codec cannot encode, ends s after what was accepted before: Err says why. C and Send are not ordered
// with each other.
func (s *Sink[T]) C(ctx context.Context) chan<- T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.view; v != nil && s.isLive(v) {
		if v.bound != ctx.Done() && s.end.Open() {
			panic("chanio: this Sink already has a channel, from C with another ctx that has not ended; goroutines may share it, or use Send")
		}
		return v.ch
	}
	v := &sinkView[T]{
		ch: make(chan T, chanSize), bound: ctx.Done(), prev: s.view,
		settle: make(chan chan struct{}), passed: make(chan struct{}), gone: make(chan struct{}),
	}
	s.view = v
	v.stop = s.end.BeforeClose(v.settled)
	go s.empty(ctx, v)
	return v.ch
}

// isLive reports whether the channel of v may be handed out again: it passes values on, or, after the end, discards them.
func (s *Sink[T]) isLive(v *sinkView[T]) bool {
	if s.end.Open() {
		return !isClosed(v.passed) && !isClosed(v.bound)
	}
	return !isClosed(v.gone) && (s.end.Released != nil || !isClosed(v.bound))
}

// empty is the goroutine of C.
func (s *Sink[T]) empty(ctx context.Context, v *sinkView[T]) {
	defer close(v.gone)
	closed := s.passAll(ctx, v)
	v.stop()
	closing := make(chan struct{})
	if v.refused {
		go s.closeQuietly(closing) // drains what was accepted before
	} else {
		close(closing)
	}
	if closed || s.discard(ctx, v) {
		s.closeQuietly(make(chan struct{}))
	}
	<-closing
}

// closeQuietly closes s, and then done, in a goroutine of the library. The result is kept for the next Close, also if
// that is a panic.
func (s *Sink[T]) closeQuietly(done chan struct{}) {
	defer close(done)
	defer func() { _ = recover() }()
	_ = s.Close()
}

// passAll passes values on until the channel is closed, which it reports, or ctx or s ends.
func (s *Sink[T]) passAll(ctx context.Context, v *sinkView[T]) (closed bool) {
	defer close(v.passed)
	returned := false
	defer func() {
		if !returned {
			s.broken(recover())
		}
	}()
	if v.prev != nil {
		<-v.prev.passed
		v.prev = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.end.OnDone(cancel)() // what waits for room then goes on within the linger bound
	closed = s.passEach(ctx, v)
	returned = true
	return closed
}

// broken aborts s because of a panic with v, in a goroutine of the library. What the Abort hook may panic with then is
// dropped: the first panic is what matters.
func (s *Sink[T]) broken(v any) {
	defer func() { _ = recover() }()
	s.Abort(Recovered(v))
}

func (s *Sink[T]) passEach(ctx context.Context, v *sinkView[T]) (closed bool) {
	done := s.Done()
	batch := make([]T, 0, chanSize)
	for s.end.Open() {
		clear(batch)
		ok := true
		select {
		case x, open := <-v.ch:
			if !open {
				return true
			}
			batch, ok = s.passRun(ctx, v, append(batch[:0], x))
		case settled := <-v.settle:
			batch, ok = s.passRun(ctx, v, batch[:0])
			close(settled)
		case <-ctx.Done():
			s.passRest(v)
			return false
		case <-done:
		}
		if !ok {
			return false
		}
	}
	return false
}

// passRun passes on batch with what follows it in the channel. It reports whether more can be.
func (s *Sink[T]) passRun(ctx context.Context, v *sinkView[T], batch []T) (_ []T, ok bool) {
	for n := len(v.ch); n > 0 && len(batch) < cap(batch); n-- {
		x, ok := <-v.ch
		if !ok {
			break // the next receive finds that too
		}
		batch = append(batch, x)
	}
	if len(batch) == 0 {
		return batch, true
	}
	n, err := s.sendAll(ctx, batch)
	if err != nil && Resumable(ctx, err) {
		return batch, s.passLate(v, batch[n:]) && s.passRest(v) && s.end.Open() && ctx.Err() == nil
	}
	return batch, s.accepted(v, err)
}

// accepted judges an error of the endpoint, and reports whether there was none. An error that concerns a value ends the
// stream, because there is nobody else to tell; what was accepted before is still sent, by the Close that follows.
func (s *Sink[T]) accepted(v *sinkView[T], err error) bool {
	if err == nil {
		s.end.Advance()
		return true
	}
	v.refused = s.end.BeginClose(err)
	return false
}

// passRest passes on what the channel holds now, without regard to ctx.
func (s *Sink[T]) passRest(v *sinkView[T]) bool {
	var rest []T
	for n := len(v.ch); n > 0; n-- {
		x, ok := <-v.ch
		if !ok {
			break
		}
		rest = append(rest, x)
	}
	return s.passLate(v, rest)
}

// passLate sends values that were accepted before ctx or the stream ended, for as long as that makes progress.
func (s *Sink[T]) passLate(v *sinkView[T], values []T) bool {
	if len(values) == 0 {
		return true
	}
	if s.end.Ended() {
		return false
	}
	ctx, stop := s.end.Lingering()
	defer stop()
	_, err := s.sendAll(ctx, values)
	if err != nil && Resumable(ctx, err) {
		s.Abort(callError(ctx, err))
		return false
	}
	return s.accepted(v, err)
}

// discard receives and drops values until the channel is closed, which it reports, or nobody can send any more.
func (s *Sink[T]) discard(ctx context.Context, v *sinkView[T]) (closed bool) {
	released := s.end.Released
	if released == nil {
		released = ctx.Done()
	}
	for {
		select {
		case _, ok := <-v.ch:
			if !ok {
				return true
			}
		case <-released:
			return false
		}
	}
}

// settled returns when what the channel holds has been passed on.
func (v *sinkView[T]) settled(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case v.settle <- done:
	case <-v.passed:
		return nil
	case <-ctx.Done():
		return Cause(ctx)
	}
	select {
	case <-done:
	case <-v.passed:
	case <-ctx.Done():
		return Cause(ctx)
	}
	return nil
}
