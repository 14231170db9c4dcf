package chanio

import (
	"context"
	"errors"
	"sync"
)

// Relay connects a and b in both directions, as a proxy does, with [Transfer] for each. When one side ends its stream
// cleanly, Relay half-closes the other and the opposite direction continues. When one fails, Relay aborts both. It
// returns when both directions have ended: nil if both ended cleanly, otherwise the first failure; a panic in a Source
// or Sink counts as a failure, a [*PanicError]. If ctx ends first, Relay returns [Cause] of ctx; both connections stay
// as they are, and no byte is lost.
//
// The peer of a connection without half-close does not learn that the other side has ended. Relay then continues until
// that peer ends its stream or ctx ends.
//
// An IdleTimeout of a or b limits each direction on its own: a download during which the client sends nothing for that
// long fails. To end a Relay when neither direction moves, leave IdleTimeout 0 and compare the [ConnStats] of one side
// from time to time, in another function of a [Race].
//
// Relay does not close the connections; the caller must. It starts one goroutine, which ends before Relay returns.
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
			cancel() // loses nothing: the other direction has become pointless
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

// relayOne transfers from one connection to the other, and half-closes that at the end.
func relayOne(ctx context.Context, from, to *Conn) error {
	if _, err := Transfer(ctx, from.In, to.Out); err != nil {
		return err
	}
	if err := to.Out.Close(); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
