package leanctx

import "context"

// WithCancel is context.WithCancel. If parent is a Context, or another one with the method AfterFunc, it needs a third of
// the memory, also for the functions that wait for the end of ctx.
func WithCancel(parent context.Context) (ctx context.Context, cancel context.CancelFunc) {
	watched, ok := parent.(interface {
		AfterFunc(f func()) (stop func() bool)
	})
	if !ok {
		return context.WithCancel(parent)
	}
	c := &Context{Context: parent}
	if parent.Err() != nil {
		c.Cancel()
		return c, c.Cancel
	}
	stop := watched.AfterFunc(c.Cancel)
	return c, func() {
		stop()
		c.Cancel()
	}
}
