package chanio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ToWriter returns a Sink that writes to w, one value after the other, in the goroutine of the sender: a value counts
// as accepted when w has taken it, and what makes a Send wait is another's Write. ctx bounds that wait; a Write under
// way goes on. The first error of w ends the Sink. What w itself buffers leaves with Flush and Close, if w has a method
// Flush, as *bufio.Writer and http.ResponseWriters have.
//
// w stays the caller's. What closes it, if anything does, is given as closers: they are called once, after Close has
// drained, when w has failed, or at once by Abort, also beside a Write. A Write that does not return keeps Close
// waiting for the linger bound; Abort ends it only by way of the closers, or of SetWriteDeadline if w has that. TrySend
// does not wait for another's Write, but for its own it must (as far as w allows).
//
// ToWriter starts no goroutine.
func ToWriter(w io.Writer, closers ...func() error) *Sink[[]byte] {
	if w == nil {
		panic("chanio: ToWriter: w is nil")
	}
	s := &writerSink{
		w: w, turn: make(chan struct{}, 1), quit: make(chan struct{}), aborted: make(chan struct{}),
		closers: onceClosers{funcs: closers},
	}
	return NewSink(SinkHooks[[]byte]{
		Send: s.send, TrySend: s.trySend, Flush: s.flush, Close: s.close, Abort: s.abort, Bytes: s, End: &s.ended,
		Describe: func() Description { return Description{Kind: "chanio.ToWriter"} },
	})
}

// writerSink is a ByteSink over an io.Writer.
type writerSink struct {
	w       io.Writer
	closers onceClosers
	ended   End
	turn    chan struct{} // full while somebody uses w
	failed  error         // why w is used no more; owned with the turn

	once  sync.Once
	quit  chan struct{} // closed when nothing more is accepted
	cause error         // why; written before

	aborting sync.Once
	aborted  chan struct{}
}

func (s *writerSink) send(ctx context.Context, p []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.write(p)
}

func (s *writerSink) trySend(p []byte) (bool, error) {
	ok, err := s.tryAcquire()
	if !ok {
		return false, err
	}
	defer s.release()
	err = s.write(p)
	return err == nil, err
}

func (s *writerSink) Begin() []byte { return make([]byte, 0, 512) }

func (s *writerSink) End(ctx context.Context, scratch, body []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.writeBoth(scratch, body)
}

func (s *writerSink) TryEnd(scratch, body []byte) (bool, error) {
	ok, err := s.tryAcquire()
	if !ok {
		return false, err
	}
	defer s.release()
	err = s.writeBoth(scratch, body)
	return err == nil, err
}

func (s *writerSink) writeBoth(head, body []byte) error {
	if len(head) > 0 {
		if err := s.write(head); err != nil {
			return err
		}
	}
	if len(body) > 0 {
		return s.write(body)
	}
	return nil
}

// acquire waits for the turn to use w.
func (s *writerSink) acquire(ctx context.Context) error {
	if ok, err := s.tryAcquire(); ok || err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		if isClosed(s.quit) {
			s.release()
			return s.cause
		}
		return nil
	case <-s.quit:
		return s.cause
	case <-ctx.Done():
		return Cause(ctx)
	}
}

func (s *writerSink) tryAcquire() (bool, error) {
	if isClosed(s.quit) {
		return false, s.cause
	}
	select {
	case s.turn <- struct{}{}:
		return true, nil
	default:
		return false, nil
	}
}

func (s *writerSink) release() { <-s.turn }

// write writes p. The caller has the turn.
func (s *writerSink) write(p []byte) error {
	return s.use(func() error {
		n, err := s.w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
}

func (s *writerSink) flushW() error {
	switch w := s.w.(type) {
	case interface{ Flush() error }:
		return s.use(w.Flush)
	case interface{ Flush() }:
		return s.use(func() error {
			w.Flush()
			return nil
		})
	}
	return nil
}

// use does something with w. If that fails or panics the stream has ended.
func (s *writerSink) use(do func() error) error {
	if s.failed != nil {
		return s.failed
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		s.fail(Recovered(v))
		if v != nil {
			panic(v)
		}
	}()
	err := do()
	returned = true
	if err != nil {
		s.fail(err)
	}
	return err
}

func (s *writerSink) fail(err error) {
	s.failed = err
	s.end(err)
	s.ended.Set(err)
	_ = s.closers.close() // the failure is what matters
}

// end refuses values from now on, those that wait for their turn included.
func (s *writerSink) end(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.quit)
	})
}

func (s *writerSink) flush(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.flushW()
}

func (s *writerSink) close() error {
	s.end(net.ErrClosed)
	linger, stop := s.ended.Lingering()
	defer stop()
	select {
	case s.turn <- struct{}{}:
	case <-linger.Done():
		err := Cause(linger)
		s.ended.Set(err)
		s.abort(err)
		return err
	case <-s.aborted:
		return s.ended.Err()
	}
	defer s.release()
	err := s.flushW()
	if err == nil {
		err = s.failed
	}
	return errors.Join(err, s.closers.close())
}

func (s *writerSink) abort(cause error) {
	s.end(cause)
	s.aborting.Do(func() { close(s.aborted) })
	if d, ok := s.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Unix(1, 0))
	}
	_ = s.closers.close() // cause is what matters
}
