package recipes

import (
	"context"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// The code that docs/performance.md quotes.

// answerAtOnce dials a connection that never holds values back.
func answerAtOnce(ctx context.Context, addr string) (*chanio.Conn, error) {
	return clients.DialTCP(ctx, addr, &clients.Config{Conn: chanio.ConnConfig{Coalesce: -1}})
}

// greet sends many small values that are not replies, in few system calls.
func greet(ctx context.Context, out *chanio.Sink[string], names []string) error {
	uncork := out.Cork() // hold values back, at most for the coalescing delay
	defer uncork()       // then send them
	for _, name := range names {
		if err := out.Send(ctx, "hello, "+name); err != nil {
			return err
		}
	}
	return nil
}

// total keeps no frames, so it need not own them.
func total(ctx context.Context, c *chanio.Conn) (bytes int, err error) {
	frames := codec.Decode(c.In, codec.Prefixed(codec.Uint32, codec.Borrowed)) // valid until the next one
	return pipeline.Reduce(ctx, frames, 0, func(sum int, frame []byte) int { return sum + len(frame) })
}
