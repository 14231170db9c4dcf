package deadline

import (
	"context"
	"errors"
	"io"
	"net"
)

// Cause returns why ctx ended: its cause, or ctx.Err() if the cause would look like the end of a stream.
func Cause(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, io.EOF) || errors.Is(cause, net.ErrClosed) {
		return ctx.Err()
	}
	return cause
}

// Resumable reports whether err concerns one call that ctx bounded, and not the stream.
func Resumable(ctx context.Context, err error) bool {
	if err == nil || err == io.EOF {
		return false
	}
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, Cause(ctx))) {
		return true
	}
	var r interface{ Resumable() bool }
	return errors.As(err, &r) && r.Resumable()
}
