package chanio

import (
	"errors"
	"fmt"
	"net"
)

// Description is a snapshot of a live stream, for logs, debug pages and drawings of a pipeline (pipeline.Tree,
// pipeline.Dot), not for decisions. Nothing is counted just for it, so a field that an endpoint does not track is zero.
type Description struct {
	ID       string // the same for two descriptions of the same Source or Sink
	Kind     string // what it is, such as "pipeline.Map"
	Name     string // what its maker called it
	Consumer string // the stage that owns it, such as "pipeline.Connect"

	Capacity int    // what its queue holds at most, in items or in the unit of its metric
	Queued   int    // what it holds now
	Passed   uint64 // values received so far
	Dropped  uint64 // values lost to a policy so far

	Ended bool  // nothing more comes or is accepted
	Err   error // why, if not well

	Upstream []Description // where its values come from
}

// Describe returns a snapshot of s. It may be called by any goroutine at any time, and calls the Describe hook.
func (s *Source[T]) Describe() Description {
	d := Description{Kind: "source"}
	if s.hooks.Describe != nil {
		d = s.hooks.Describe()
	}
	d.ID = fmt.Sprintf("%p", s)
	if c := s.turn.now.Load(); c != nil && c.state.Load() == owned {
		d.Consumer = *c.owner
	}
	d.Ended, d.Err = describeEnd(s.hooks.End)
	return d
}

// describeEnd reports whether e has ended, and with which failure.
func describeEnd(e *End) (ended bool, err error) {
	if e.Open() {
		return false, nil
	}
	if err = e.Err(); errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return true, err
}

// Describe returns a snapshot of s. It may be called by any goroutine at any time, and calls the Describe hook.
func (s *Sink[T]) Describe() Description {
	d := Description{Kind: "sink"}
	if s.hooks.Describe != nil {
		d = s.hooks.Describe()
	}
	d.ID = fmt.Sprintf("%p", s)
	if ended, err := describeEnd(s.hooks.End); ended {
		d.Ended, d.Err = true, err
	}
	return d
}
