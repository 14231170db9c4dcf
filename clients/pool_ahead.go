package clients

import (
	"time"

	"github.com/weir-go/weir/internal/guard"
)

// aheadPause is the pause after a failure to open a value in advance.
const aheadPause = time.Second

// openAhead opens values until MinIdle are idle or being opened.
func (p *Pool[T]) openAhead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.again) {
		return // tryAgain opens values later
	}
	for !p.closed && len(p.idle)+p.filling < p.cfg.MinIdle && p.open < p.cfg.MaxOpen {
		p.open++
		p.filling++
		p.fills.Go(p.openOneAhead)
	}
}

// openOneAhead opens a value in advance. It has a permit.
func (p *Pool[T]) openOneAhead() {
	var v T
	var err error
	if panicked := guard.Call(func() { v, err = p.opener(p.ctx) }); panicked != nil {
		err = panicked
	}
	p.mu.Lock()
	p.filling--
	if err != nil {
		p.stats.Failed++
		p.free()
		p.tryAgain()
		p.mu.Unlock()
		return
	}
	p.stats.Opened++
	p.mu.Unlock()
	p.putSafely(p.newborn(v))
}

// putSafely is put, but keeps a panic of the user's closer for Shutdown to return.
func (p *Pool[T]) putSafely(e *pooled[T]) {
	e.back = time.Now()
	p.mu.Lock()
	kept := !p.closed && (p.grant(grant[T]{value: e}) || p.keep(e))
	p.mu.Unlock()
	if !kept {
		p.discardSafely(e)
	}
}

// tryAgain schedules another attempt to open values in advance. The caller holds mu.
func (p *Pool[T]) tryAgain() {
	p.again = time.Now().Add(aheadPause)
	switch {
	case p.closed:
	case p.refill == nil:
		p.refill = time.AfterFunc(aheadPause, p.openAhead)
	default:
		p.refill.Reset(aheadPause)
	}
}
