package main

import (
	"context"
	"strconv"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// protocol is numbers as text with a 32-bit length.
var protocol = codec.Map(codec.Prefixed(codec.Uint32, codec.String),
	func(text string) (int, error) { return strconv.Atoi(text) },
	func(n int) (string, error) { return strconv.Itoa(n), nil })

// visitIncrement sends numbers and receives the next ones. The codec handles the bytes.
func visitIncrement(ctx context.Context, t *tour) error {
	addr, err := t.serve(ctx, "increment", func(ctx context.Context, c *chanio.Conn) error {
		numbers := codec.Frame(c, protocol)
		return pipeline.Connect(ctx, pipeline.Map(numbers.In, func(n int) int { return n + 1 }), numbers.Out)
	})
	if err != nil {
		return err
	}
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := codec.Frame(conn, protocol)
	for n := range 3 {
		if err := server.Out.Send(ctx, n*41); err != nil {
			return err
		}
		next, err := server.In.Recv(ctx)
		if err != nil {
			return err
		}
		wire, err := codec.Marshal(protocol, next)
		if err != nil {
			return err
		}
		t.say("client", "sends %d, receives %d, on the wire % x", n*41, next, wire)
	}
	return nil
}
