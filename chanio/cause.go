package chanio

import (
	"context"

	"github.com/weir-go/weir/internal/deadline"
)

// Cause returns why ctx ended, as the calls of this module report it: context.Cause, or ctx.Err() if the cause is
// io.EOF or net.ErrClosed, which could be mistaken for the end of a stream, or an error that panics when errors.Is or
// errors.As examines it, such as a nil *net.OpError. It is nil until ctx ends.
func Cause(ctx context.Context) error { return deadline.Cause(ctx) }

// Resumable reports whether err, returned by a call with ctx, concerns only that call, because ctx ended or a deadline
// of [Conn.SetReadDeadline] or [Conn.SetWriteDeadline] passed. The stream then continues. Any other error is the end of
// the stream. An endpoint with deadlines of its own marks such an error with a method Resumable() bool.
func Resumable(ctx context.Context, err error) bool { return deadline.Resumable(ctx, err) }
