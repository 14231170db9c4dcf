// Package afresh lets the handler of a connection continue in a new goroutine, whose stack is small again. It is for
// connections that start with much work and then wait for long.
package afresh

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Handler is an error that a handler of servers.Listener.Serve returns to continue in Handle. After the handler's
// goroutine has ended, a new one calls Handle with the same arguments.
type Handler struct {
	Handle func(context.Context, *chanio.Conn) error
}

// Error implements error.
func (*Handler) Error() string { return "the handler goes on in another goroutine" }
