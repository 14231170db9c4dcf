package clients

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// ReconnectPhase is the current activity of a [Reconnector].
type ReconnectPhase string

// The phases of a Reconnector.
const (
	Idle       ReconnectPhase = "idle"       // no receiver asks for a connection
	Connecting ReconnectPhase = "connecting" // an attempt is in progress
	Connected  ReconnectPhase = "connected"  // a connection has been delivered, and its end has not been noticed
	Waiting    ReconnectPhase = "waiting"    // for the next attempt
	Ended      ReconnectPhase = "ended"      // no more attempts follow
)

// ReconnectState is the state of a [Reconnector].
type ReconnectState struct {
	Phase    ReconnectPhase
	Failures int       // consecutive, before this state
	Err      error     // the last failure while Waiting, or why it Ended; net.ErrClosed after Close
	Due      time.Time // time of the next attempt while Waiting
}

// board is a state that can be watched.
type board struct {
	mu      sync.Mutex
	state   ReconnectState
	version uint64
	changed chan struct{} // closed by the next change; nil unless waited for
}

func (b *board) get() ReconnectState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// set sets the state. Ended is final.
func (b *board) set(s ReconnectState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Phase == Ended {
		return
	}
	b.state = s
	b.version++
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// newer returns the state if it is newer than seen, otherwise a channel that is closed when there is a newer one, or
// nil after the end.
func (b *board) newer(seen uint64) (s ReconnectState, version uint64, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version == seen && b.state.Phase != Ended && b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.state, b.version, b.changed
}

// source returns the states as a stream.
func (b *board) source() *chanio.Source[ReconnectState] {
	var (
		seen   uint64
		closed = make(chan struct{})
	)
	next := func(ctx context.Context) (none ReconnectState, err error) {
		for {
			s, version, changed := b.newer(seen)
			if version > seen {
				seen = version
				return s, nil
			}
			if changed == nil {
				return none, io.EOF
			}
			select {
			case <-changed:
			case <-closed:
				return none, net.ErrClosed
			case <-ctx.Done():
				return none, chanio.Cause(ctx)
			}
		}
	}
	return chanio.NewSource(chanio.SourceHooks[ReconnectState]{
		Next: next,
		Close: func() error {
			close(closed)
			return nil
		},
	})
}
