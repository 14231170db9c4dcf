package chanio

import (
	"context"
	"errors"
	"sync"
)

// Relay joins two connections both ways, as a proxy does: what a sends goes to b and what b sends goes to a, by the routes
// of [Transfer]. When one side ends its stream well, the other is half-closed and the opposite direction goes on; when
// one fails, both are aborted. Relay returns when both directions have ended: nil if both ended well, otherwise the first
// failure; a panic in a Source or Sink is one, as a [*PanicError]. If ctx ends first it returns [Cause] of ctx, both
// connections are left as they are, and no byte is lost.
//
// Relay closes neither connection: Close them to release them. It starts one goroutine, which ends with the call.
func Relay(ctx context.Context, a, b *Conn) error {
	both, cancel := context.WithCancel(ctx)
	var (
		once  sync.Once
		first error
		other = make(chan struct{})
	)
	defer func() { <-other }()
	defer cancel()
	ended := func(err error, _ *PanicError) {
		if err == nil {
			return
		}
		once.Do(func() {
			first = err
			if !Resumable(ctx, err) {
				a.Abort(err)
				b.Abort(err)
			}
			cancel() // without loss: the other direction has no point any more
		})
	}
	go func() {
		defer close(other)
		guard(func() error { return relayOne(both, a, b) }, ended)
	}()
	guard(func() error { return relayOne(both, b, a) }, ended)
	<-other
	return first
}

// relayOne moves what from sends to to, and half-closes that.
func relayOne(ctx context.Context, from, to *Conn) error {
	if _, err := Transfer(ctx, from.In, to.Out); err != nil {
		return err
	}
	if err := to.Out.Close(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
