package chanio

import (
	"fmt"
	"io"
	"net"
)

// Description is what is known of a live stream at one moment: for logs, debug pages and drawings of a pipeline
// (pipeline.Tree, pipeline.Dot), not for decisions. Nothing is counted for its sake, so what an endpoint does not know
// anyway is zero.
type Description struct {
	ID       string // the same for two descriptions of the same Source or Sink
	Kind     string // what it is, such as "pipeline.Map"
	Name     string // what its maker called it
	Consumer string // the stage that owns it, such as "pipeline.Connect"

	Capacity int    // what its queue holds at most, in items or in the unit of its metric
	Queued   int    // what it holds now
	Senders  int    // how many wait for room
	Takers   int    // how many wait for a value
	Passed   uint64 // values received so far
	Dropped  uint64 // values lost to a policy so far
	Hops     uint64 // how often values crossed to another goroutine; each time all that were at hand

	Ended bool  // nothing more comes or is accepted
	Err   error // why, if not well

	Upstream []Description // where its values come from
}

// Describe tells what is known of s. It may be called from any goroutine at any time, and calls the Describe hook.
func (s *Source[T]) Describe() Description {
	d := Description{Kind: "source"}
	if s.hooks.Describe != nil {
		d = s.hooks.Describe()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.ID = fmt.Sprintf("%p", s)
	d.Consumer = s.owner
	if s.end.Load() != open {
		d.Ended = true
		if s.err != io.EOF && s.err != net.ErrClosed {
			d.Err = s.err
		}
	}
	return d
}

// Describe tells what is known of s. It may be called from any goroutine at any time, and calls the Describe hook.
func (s *Sink[T]) Describe() Description {
	d := Description{Kind: "sink"}
	if s.hooks.Describe != nil {
		d = s.hooks.Describe()
	}
	d.ID = fmt.Sprintf("%p", s)
	d.Ended = d.Ended || isClosed(s.Done())
	if err := s.Err(); err != nil && err != net.ErrClosed {
		d.Err = err
	}
	return d
}

// Describe tells what is known of the Source, for the description of the stage that owns it; Consumer names that stage.
func (u Upstream[T]) Describe() Description { return u.s.Describe() }
