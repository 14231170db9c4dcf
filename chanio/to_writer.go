package chanio

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ToWriter returns a Sink that writes values to w, one after the other, in the sender's goroutine. A value counts as
// accepted when w has taken it, and a Send waits only for the Write of another sender. ctx bounds that wait; a Write in
// progress continues. The first error of w ends the Sink. If w has a method Flush, as *bufio.Writer and
// http.ResponseWriters do, Flush and Close of the Sink call it.
//
// The caller still owns w. closers are called once: after Close has drained, when w has failed, or at once by Abort,
// possibly during a Write. If a Write does not return, Close waits for the linger bound; Abort can end the Write only
// through closers, or through SetWriteDeadline if w has it. TrySend does not wait for the Write of another sender, but
// its own Write blocks as long as w does.
//
// ToWriter starts no goroutine.
func ToWriter(w io.Writer, closers ...func() error) *Sink[[]byte] {
	if w == nil {
		panic("chanio: ToWriter: w is nil")
	}
	s := &writerSink{w: w, turn: make(chan struct{}, 1), aborted: make(chan struct{}), closers: onceClosers{funcs: closers}}
	return NewSink(SinkHooks[[]byte]{
		Send:    func(ctx context.Context, p []byte) error { return s.End(ctx, nil, p) },
		TrySend: func(p []byte) (bool, error) { return s.TryEnd(nil, p) },
		Flush:   s.flush, Close: s.close, Abort: s.abort, Bytes: s, End: &s.ended,
		Describe: func() Description { return Description{Kind: "chanio.ToWriter"} },
	})
}

// writerSink is a ByteSink over an io.Writer.
type writerSink struct {
	w        io.Writer
	closers  onceClosers
	ended    End
	turn     chan struct{} // full while w is in use
	aborting sync.Once
	aborted  chan struct{}
}

func (s *writerSink) Begin() []byte { return make([]byte, 0, 512) }

func (s *writerSink) End(ctx context.Context, scratch, body []byte) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	return s.writeBoth(scratch, body)
}

func (s *writerSink) TryEnd(scratch, body []byte) (bool, error) {
	if !s.ended.Open() {
		return false, refusal(&s.ended)
	}
	select {
	case s.turn <- struct{}{}:
	default:
		return false, nil
	}
	err := s.writeBoth(scratch, body)
	return err == nil, err
}

// acquire waits for the turn to use w.
func (s *writerSink) acquire(ctx context.Context) error {
	if !s.ended.Open() {
		return refusal(&s.ended)
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-s.ended.Done():
		return refusal(&s.ended)
	case <-ctx.Done():
		return Cause(ctx)
	}
}

func (s *writerSink) release() { <-s.turn }

// writeBoth writes head and body as one value, and ends the turn.
func (s *writerSink) writeBoth(head, body []byte) error {
	defer s.release()
	if !s.ended.Open() {
		return refusal(&s.ended)
	}
	return s.use(func() (err error) {
		if len(head) > 0 {
			err = s.write(head)
		}
		if err == nil && (len(body) > 0 || len(head) == 0 && body != nil) {
			err = s.write(body)
		}
		return err
	})
}

func (s *writerSink) write(p []byte) error {
	n, err := s.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// flushW flushes what w buffers.
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

// use calls do, which uses w. If do fails or panics, the stream ends.
func (s *writerSink) use(do func() error) (err error) {
	if s.ended.Ended() {
		return refusal(&s.ended)
	}
	returned := false
	defer func() {
		var v any
		if !returned {
			v = recover()
			err = Recovered(v)
		}
		if err != nil {
			s.ended.Set(err)
			_ = s.closers.close() // the failure is returned instead
		}
		if v != nil {
			panic(v)
		}
	}()
	err = do()
	returned = true
	return err
}

func (s *writerSink) flush(ctx context.Context) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.flushW()
}

func (s *writerSink) close() error {
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
	if s.ended.Ended() {
		return s.ended.Err()
	}
	return errors.Join(s.flushW(), s.closers.close())
}

func (s *writerSink) abort(cause error) {
	s.aborting.Do(func() { close(s.aborted) })
	if d, ok := s.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(time.Unix(1, 0))
	}
	_ = s.closers.close() // cause is the end
}
