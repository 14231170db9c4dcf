package main

import (
	"context"
	"io"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
)

// visitEcho sends bytes both ways and ends one direction before the other.
func visitEcho(ctx context.Context, t *tour) error {
	addr, err := t.serve(ctx, "echo", func(ctx context.Context, c *chanio.Conn) error {
		return pipeline.Connect(ctx, c.In, c.Out)
	})
	if err != nil {
		return err
	}
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Out.Send(ctx, []byte("hello, streams")); err != nil {
		return err
	}
	t.say("client", "sends %q", "hello, streams")
	chunk, err := conn.In.Recv(ctx)
	if err != nil {
		return err
	}
	t.say("client", "receives %q", chunk)
	if err := conn.Out.Close(); err != nil {
		return err
	}
	t.say("client", "ends its side, and can still receive")
	if _, err := conn.In.Recv(ctx); err != io.EOF {
		return err
	}
	t.say("client", "receives io.EOF: the server has ended its side too")
	return nil
}
