// Package line is a line of goroutines that wait for the same thing.
package line

import (
	"context"
	"sync"
)

// Line makes goroutines wait in order, as a lock does that heeds a ctx: only the first looks whether it may go on, so that
// none is overtaken for ever and none wakes for nothing. The zero Line is empty. The lock of its owner guards it.
type Line struct {
	turn chan struct{} // full while somebody is the first; nil while nobody is in line
	in   int
}

// Len returns how many are in line, with the first.
func (l *Line) Len() int { return l.in }

// Enter returns when the caller is the first. It unlocks mu while it waits. If ctx ends first, the caller is not in line,
// and the result is that of cause, which is called without the lock.
func (l *Line) Enter(ctx context.Context, mu sync.Locker, cause func(context.Context) error) error {
	if l.in++; l.in == 1 {
		l.turn = make(chan struct{}, 1)
		l.turn <- struct{}{}
		return nil
	}
	turn, isFirst := l.turn, false
	mu.Unlock()
	defer func() {
		mu.Lock()
		if !isFirst { // also if ctx panics
			l.in--
		}
	}()
	select { // those who wait to send are served in order
	case turn <- struct{}{}:
		isFirst = true
		return nil
	case <-ctx.Done():
		return cause(ctx)
	}
}

// Leave is called by the first, after which the next one is.
func (l *Line) Leave() {
	<-l.turn
	if l.in--; l.in == 0 {
		l.turn = nil
	}
}
