package stream

import (
	"context"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// overtaken is how long senders in line may be overtaken. Overtaking saves a switch of goroutines for each value. As with
// a sync.Mutex, once a sender has waited for that long all are served in order, until one has waited for less.
const overtaken = time.Millisecond

// lineUpLocked waits, unlocked, until ready returns true for the first in line, the half or ctx ends, or the deadline
// passes. ready is called with the lock held. At the end of the half and at the deadline the first in line returns, and
// then the next one does.
func (w *Writer) lineUpLocked(ctx context.Context, ready func() bool) error {
	since := time.Now()
	if err := w.line.Enter(ctx, &w.mu, deadline.Cause); err != nil {
		return err
	}
	defer func() {
		w.line.Leave()
		w.starves = w.starves && w.line.Len() > 0 && time.Since(since) >= overtaken
	}()
	for {
		w.starves = w.starves || time.Since(since) >= overtaken
		if err := w.refusalLocked(); err != nil || ready() {
			return err
		}
		if err := w.awaitLocked(ctx); err != nil {
			return err
		}
	}
}
