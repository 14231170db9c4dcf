package chanio

import "errors"

// Duplex is a conversation: what the peer sends and what it is sent. The two halves end independently.
type Duplex[R, W any] struct {
	In  *Source[R]
	Out *Sink[W]
}

// Splice makes one Duplex of two halves. It is Manifold's splice with the same order of arguments.
func Splice[R, W any](out *Sink[W], in *Source[R]) *Duplex[R, W] {
	return &Duplex[R, W]{In: in, Out: out}
}

// Close drains and closes Out, then closes In; a connection is released by that. It blocks as [Sink.Close] does and is
// idempotent. That a transport has no half-close is no error here.
func (d *Duplex[R, W]) Close() error {
	err := d.Out.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.In.Close())
}
