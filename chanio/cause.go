package chanio

import (
	"context"

	"github.com/weir-go/weir/internal/deadline"
)

// Cause returns why ctx ended, as calls of this module report it: context.Cause, or ctx.Err() if the cause is io.EOF or
// net.ErrClosed, which would look like the end of a stream. It is nil while ctx lives.
func Cause(ctx context.Context) error { return deadline.Cause(ctx) }

// Resumable reports whether err, returned by a call that ctx bounded, concerns that call alone, because ctx ended or a
// deadline set with [Conn.SetReadDeadline] or [Conn.SetWriteDeadline] passed. The stream then goes on; any other error is
// its end. An endpoint with deadlines says so by an error with a method Resumable() bool.
func Resumable(ctx context.Context, err error) bool { return deadline.Resumable(ctx, err) }
