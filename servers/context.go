package servers

import (
	"context"
	"sync"

	"github.com/weir-go/weir/internal/leanctx"
)

// contexts holds the contexts of the handlers of one Serve. Each ends when its handler has returned, or with the ctx of
// Serve, which ends them all.
type contexts struct {
	parent context.Context
	mu     sync.Mutex
	open   map[*leanctx.Context]struct{}
}

// newContexts returns contexts that end with parent. stop detaches them from parent.
func newContexts(parent context.Context) (cs *contexts, stop func() bool) {
	cs = &contexts{parent: parent, open: map[*leanctx.Context]struct{}{}}
	return cs, context.AfterFunc(parent, cs.cancelAll)
}

func (cs *contexts) add() *leanctx.Context {
	c := &leanctx.Context{Context: cs.parent}
	cs.mu.Lock()
	cs.open[c] = struct{}{}
	cs.mu.Unlock()
	if cs.parent.Err() != nil { // cancelAll may have run already
		c.Cancel()
	}
	return c
}

// drop cancels c.
func (cs *contexts) drop(c *leanctx.Context) {
	cs.mu.Lock()
	delete(cs.open, c)
	cs.mu.Unlock()
	c.Cancel()
}

func (cs *contexts) cancelAll() {
	cs.mu.Lock()
	open := cs.open
	cs.open = map[*leanctx.Context]struct{}{}
	cs.mu.Unlock()
	for c := range open { // without the lock: a handler that ends would wait for it
		c.Cancel()
	}
}
