package chanio

import "errors"

// Duplex is a two-way stream: In yields what the peer sends, and Out accepts what is sent to the peer. The two halves
// end independently.
type Duplex[R, W any] struct {
	In  *Source[R]
	Out *Sink[W]

	// Released, if not nil, is closed when the connection below both halves has been released. Close waits for it.
	Released <-chan struct{}
}

// Close drains and closes Out, closes In, and waits until the connection below, if both halves belong to one, has been
// released. What was sent before has then been delivered, as far as that can be known. Close blocks no longer than the
// linger bounds of the connection and is idempotent. A transport without half-close is not an error here.
func (d *Duplex[R, W]) Close() error {
	return d.close(func() error {
		err := d.In.Close()
		if d.Released != nil {
			<-d.Released
		}
		return err
	})
}

func (d *Duplex[R, W]) close(closeIn func() error) error {
	err := d.Out.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, closeIn())
}
