package clients

import (
	"container/list"
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

// waiter is a waiting caller.
type waiter[T any] struct{ granted chan grant[T] }

// grant is what a caller receives: a value, or the permit to open one.
type grant[T any] struct {
	value *pooled[T]
	err   error
}

// acquire returns a value, or nil for the permit to open one.
func (p *Pool[T]) acquire(ctx context.Context) (*pooled[T], error) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, ErrPoolClosed
	case len(p.idle) > 0:
		defer p.mu.Unlock()
		return p.pop(), nil
	case p.open < p.cfg.MaxOpen:
		defer p.mu.Unlock()
		p.open++
		return nil, nil
	case p.waiters.Len() >= p.cfg.MaxWaiters:
		defer p.mu.Unlock()
		p.stats.Rejected++
		return nil, ErrPoolBusy
	}
	w := &waiter[T]{granted: make(chan grant[T], 1)}
	place := p.waiters.PushBack(w)
	p.mu.Unlock()
	return p.wait(ctx, w, place)
}

func (p *Pool[T]) wait(ctx context.Context, w *waiter[T], place *list.Element) (*pooled[T], error) {
	start := time.Now()
	served := false
	defer func() { // also if ctx panics
		p.mu.Lock()
		p.stats.Waits++
		p.stats.WaitTime += time.Since(start)
		if !served {
			p.waiters.Remove(place) // does nothing if it has been served
		}
		p.mu.Unlock()
		if served {
			return
		}
		select {
		case g := <-w.granted:
			p.giveBack(g)
		default:
		}
	}()
	select {
	case g := <-w.granted:
		served = true
		return g.value, g.err
	case <-ctx.Done():
		return nil, chanio.Cause(ctx)
	}
}

// giveBack passes on a grant that arrived too late for its receiver.
func (p *Pool[T]) giveBack(g grant[T]) {
	switch {
	case g.value != nil:
		p.put(g.value)
	case g.err == nil:
		p.mu.Lock()
		p.free()
		p.mu.Unlock()
		p.openAhead()
	}
}

// free passes the permit to open a value to the waiter that has waited longest, or takes it back.
func (p *Pool[T]) free() {
	if p.grant(grant[T]{}) {
		return
	}
	p.open--
	if p.closed && p.open == 0 {
		close(p.drained)
	}
}

// grant passes g to the waiter that has waited longest, if there is one.
func (p *Pool[T]) grant(g grant[T]) bool {
	first := p.waiters.Front()
	if first == nil {
		return false
	}
	p.waiters.Remove(first).(*waiter[T]).granted <- g
	return true
}
