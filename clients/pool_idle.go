package clients

import (
	"time"

	"github.com/weir-go/weir/internal/guard"
)

// expiry returns when the idle value e expires; zero means never.
func (p *Pool[T]) expiry(e *pooled[T]) time.Time {
	var at time.Time
	if p.cfg.IdleTimeout > 0 {
		at = e.back.Add(p.cfg.IdleTimeout)
	}
	if e.lifetime > 0 {
		if end := e.born.Add(e.lifetime); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

func (p *Pool[T]) isOld(e *pooled[T]) bool {
	at := p.expiry(e)
	return !at.IsZero() && !time.Now().Before(at)
}

// arm sets the timer to the given time, unless it fires sooner.
func (p *Pool[T]) arm(at time.Time) {
	if at.IsZero() || !p.wake.IsZero() && !at.Before(p.wake) {
		return
	}
	p.wake = at
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(at), p.sweep)
	} else {
		p.timer.Reset(time.Until(at))
	}
}

// sweep closes expired values, in the goroutine of the timer.
func (p *Pool[T]) sweep() {
	for _, e := range p.takeOld() {
		p.discardSafely(e)
	}
}

// discardSafely is discard, but keeps a panic of the user's closer for Shutdown to return: no caller could receive it,
// and other values are still to be closed, also after runtime.Goexit.
func (p *Pool[T]) discardSafely(e *pooled[T]) {
	if panicked := guard.Call(func() { p.discard(e) }); panicked != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.panicked = panicked
	}
}

// takeOld removes the expired idle values and arms the timer for the next.
func (p *Pool[T]) takeOld() (old []*pooled[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake = time.Time{}
	fresh := p.idle[:0]
	for _, e := range p.idle {
		if p.isOld(e) {
			old = append(old, e)
			p.stats.Expired++
		} else {
			fresh = append(fresh, e)
			p.arm(p.expiry(e))
		}
	}
	clear(p.idle[len(fresh):])
	p.idle = fresh
	return old
}
