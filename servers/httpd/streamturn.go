package httpd

import (
	"context"
	"net"

	"github.com/weir-go/weir/chanio"
)

// The turn of a replySink: one goroutine at a time uses its ResponseWriter.

// acquire waits for the turn, which permits the use of w.
func (s *replySink) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return chanio.Cause(ctx)
	}
	select {
	case s.turn <- struct{}{}:
		return s.check()
	case <-s.quit:
		return s.refusal()
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// check releases the turn if w must not be used.
func (s *replySink) check() error {
	select {
	case <-s.quit:
		s.release()
		return s.refusal()
	default:
		return nil
	}
}

func (s *replySink) tryAcquire() (bool, error) {
	select {
	case s.turn <- struct{}{}:
		err := s.check()
		return err == nil, err
	case <-s.quit:
		return false, s.refusal()
	default:
		return false, nil
	}
}

func (s *replySink) release() { <-s.turn }

// stop makes goroutines that wait for the turn give up.
func (s *replySink) stop() { s.once.Do(func() { close(s.quit) }) }

func (s *replySink) refusal() error {
	if err := s.end.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

// settle waits, after the end of the stream, until no goroutine uses w.
func (s *replySink) settle() {
	s.unwatch()
	s.stop()
	s.turn <- struct{}{}
	<-s.turn
}
