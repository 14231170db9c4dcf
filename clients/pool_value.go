package clients

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/eof"
)

// put takes a healthy value back. It passes it to the waiter that has waited longest, or keeps it idle.
func (p *Pool[T]) put(e *pooled[T]) {
	e.back = time.Now()
	p.mu.Lock()
	old := p.isOld(e)
	if old {
		p.stats.Expired++
	}
	kept := !p.closed && !old && (p.grant(grant[T]{value: e}) || p.keep(e))
	p.mu.Unlock()
	if !kept {
		p.discard(e)
	}
}

// keep makes e idle, if there is room.
func (p *Pool[T]) keep(e *pooled[T]) bool {
	if len(p.idle) >= p.cfg.MaxIdle {
		return false
	}
	p.idle = append(p.idle, e)
	p.arm(p.expiry(e))
	return true
}

// pop removes and returns the idle value that was released last.
func (p *Pool[T]) pop() *pooled[T] {
	last := len(p.idle) - 1
	e := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return e
}

// next exchanges a permit for an idle value, if there is one, and otherwise keeps the permit.
func (p *Pool[T]) next() *pooled[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	e := p.pop()
	p.free()
	return e
}

// healthy reports whether e can be reused. If not, it has closed e, and the caller keeps the permit unless there is an
// error.
func (p *Pool[T]) healthy(ctx context.Context, e *pooled[T]) (bool, error) {
	p.mu.Lock()
	old := p.isOld(e)
	if old {
		p.stats.Expired++
	}
	p.mu.Unlock()
	if old {
		p.closeOne(e)
		return false, nil
	}
	if p.cfg.Check == nil || time.Since(e.back) < p.cfg.CheckAfter {
		return true, nil
	}
	if p.check(ctx, e) {
		return true, nil
	}
	p.closeOne(e)
	if ctx.Err() == nil {
		return false, nil
	}
	p.giveBack(grant[T]{})
	return false, chanio.Cause(ctx)
}

// check runs the user's check.
func (p *Pool[T]) check(ctx context.Context, e *pooled[T]) (healthy bool) {
	returned := false
	defer func() {
		if !returned {
			p.discard(e) // the check panicked
			return
		}
		if !healthy {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stats.Unhealthy++
		}
	}()
	healthy = p.cfg.Check(ctx, e.v) == nil
	returned = true
	return healthy
}

// openOne opens a value for the caller, which has a permit.
func (p *Pool[T]) openOne(ctx context.Context) (*Lease[T], error) {
	opened := false
	defer func() {
		if !opened {
			p.giveBack(grant[T]{})
		}
	}()
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(ErrPoolClosed) })
	defer stop()
	v, err := p.opener(opening)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, chanio.Cause(ctx)
	case err != nil && p.ctx.Err() != nil:
		return nil, ErrPoolClosed
	case err != nil:
		p.count(&p.stats.Failed)
		return nil, eof.Unexpected(err) // io.EOF would look like the end of a stream of the caller's
	}
	opened = true
	p.count(&p.stats.Opened)
	e := p.newborn(v)
	if p.ctx.Err() != nil {
		p.discard(e)
		return nil, ErrPoolClosed
	}
	return p.lease(e), nil
}

// newborn returns a value that was just opened.
func (p *Pool[T]) newborn(v T) *pooled[T] {
	e := &pooled[T]{v: v, born: time.Now(), lifetime: p.cfg.MaxLifetime}
	if tenth := int64(p.cfg.MaxLifetime / 10); tenth > 0 {
		e.lifetime -= time.Duration(rand.Int64N(tenth))
	}
	return e
}

// closeOne closes e, whose permit remains with the caller.
func (p *Pool[T]) closeOne(e *pooled[T]) {
	closed := false
	defer func() {
		p.mu.Lock()
		p.stats.Closed++
		if closed {
			p.mu.Unlock()
			return
		}
		p.free() // the closer panicked, so the permit is released here
		p.mu.Unlock()
		p.openAhead()
	}()
	p.closer(e.v)
	closed = true
}

// discard closes e and frees its place.
func (p *Pool[T]) discard(e *pooled[T]) {
	p.closeOne(e)
	p.mu.Lock()
	p.free()
	p.mu.Unlock()
	p.openAhead()
}
