package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-go/weir/clients"
)

// pool holds the backends.
type pool struct {
	log *slog.Logger

	mu   sync.Mutex
	all  []*backend
	turn int
}

type backend struct {
	addr string
	down bool
}

func newPool(addrs []string, log *slog.Logger) *pool {
	p := &pool{log: log}
	for _, addr := range addrs {
		p.all = append(p.all, &backend{addr: addr})
	}
	return p
}

// order returns the backends in the order to try them: in turn, those that are up first.
func (p *pool) order() []*backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	var up, down []*backend
	for i := range p.all {
		if b := p.all[(p.turn+i)%len(p.all)]; b.down {
			down = append(down, b)
		} else {
			up = append(up, b)
		}
	}
	if len(up) > 0 { // take turns among those that are up
		for i, b := range p.all {
			if b == up[0] {
				p.turn = (i + 1) % len(p.all)
			}
		}
	}
	return append(up, down...)
}

// note records the result of an attempt to connect and logs a change.
func (p *pool) note(b *backend, err error) {
	p.mu.Lock()
	changed := b.down != (err != nil)
	b.down = err != nil
	p.mu.Unlock()
	switch {
	case changed && err != nil:
		p.log.Warn("backend is down", "addr", b.addr, "err", err)
	case changed:
		p.log.Info("backend is up", "addr", b.addr)
	}
}

// watch connects to each backend periodically until ctx ends.
func (p *pool) watch(ctx context.Context, every time.Duration) error {
	var checks sync.WaitGroup
	for _, b := range p.all { // one that does not answer delays no other
		checks.Go(func() { p.check(ctx, b, every) })
	}
	checks.Wait()
	return nil
}

// check connects to one backend again and again, until ctx ends.
func (p *pool) check(ctx context.Context, b *backend, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c, err := clients.DialTCP(ctx, b.addr, &clients.Config{Timeout: every})
		if ctx.Err() != nil {
			if err == nil {
				c.Abort(nil)
			}
			return
		}
		p.note(b, err)
		if err == nil {
			_ = c.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
