package recipes

import (
	"context"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// What docs/performance.md quotes.

// answerAtOnce is a connection whose replies never wait for each other.
func answerAtOnce(ctx context.Context, addr string) (*chanio.Conn, error) {
	return clients.DialTCP(ctx, addr, &clients.Config{Conn: chanio.ConnConfig{Coalesce: -1}})
}

// greet sends many small values that no input has asked for, in few system calls.
func greet(ctx context.Context, out *chanio.Sink[string], names []string) error {
	uncork := out.Cork() // hold back, for the coalescing delay at most
	defer uncork()       // and send what was held
	for _, name := range names {
		if err := out.Send(ctx, "hello, "+name); err != nil {
			return err
		}
	}
	return nil
}

// total keeps no frame, so it need not own them.
func total(ctx context.Context, c *chanio.Conn) (bytes int, err error) {
	frames := codec.Decode(c.In, codec.Prefixed(codec.Uint32, codec.Borrowed)) // valid until the next one
	return pipeline.Reduce(ctx, frames, 0, func(sum int, frame []byte) int { return sum + len(frame) })
}
