// Package afresh lets the handler of a connection go on in a goroutine of its own, whose stack is small again: for connections
// that begin with much work and then wait for long.
package afresh

import (
	"context"

	"github.com/weir-go/weir/chanio"
)

// Handler is what a handler of servers.Listener.Serve returns, as its error, to have Handle called in its place: by a new
// goroutine, with the same arguments, once that one's own has ended.
type Handler struct {
	Handle func(context.Context, *chanio.Conn) error
}

// Error implements error.
func (*Handler) Error() string { return "the handler goes on in another goroutine" }
