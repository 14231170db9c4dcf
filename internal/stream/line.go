package stream

import (
	"context"
	"slices"
	"time"
)

// line is the senders of a Writer that wait, in order. Only the first looks whether it may go on. A sender that comes
// later may overtake them, which saves a switch of goroutines for each value, until one has waited for 1 ms; from
// then on all are served in order, until one has waited for less. So does a sync.Mutex.
type line struct {
	places  []*place
	starves bool // nobody overtakes
}

// place is a sender's place in line.
type place struct {
	since time.Time
	first chan struct{} // closed when it is the first
}

// overtaken is how long senders in line may be overtaken.
const overtaken = time.Millisecond

// lineUpLocked waits, unlocked, until ready returns true for the first in line, the half or ctx ends, or the deadline
// passes. ready is called with the lock held.
func (w *Writer) lineUpLocked(ctx context.Context, ready func() bool) error {
	l := &w.line
	own := &place{time.Now(), make(chan struct{})}
	l.places = append(l.places, own)
	defer l.leave(own)
	if l.places[0] != own { // the first returns at the end of the half and at its deadline, and then the next one does
		if err := w.awaitSignalLocked(ctx, own.first); err != nil {
			return err
		}
	}
	for {
		l.starves = l.starves || own.waited()
		if err := w.refusalLocked(); err != nil || ready() {
			return err
		}
		if err := w.awaitLocked(ctx); err != nil {
			return err
		}
	}
}

// waited reports whether p has been in line for too long.
func (p *place) waited() bool { return time.Since(p.since) >= overtaken }

// leave takes p out of line.
func (l *line) leave(p *place) {
	wasFirst := l.places[0] == p
	l.places = slices.DeleteFunc(l.places, func(other *place) bool { return other == p })
	switch {
	case len(l.places) == 0:
		*l = line{}
	case wasFirst:
		l.starves = l.starves && p.waited()
		close(l.places[0].first)
	}
}
