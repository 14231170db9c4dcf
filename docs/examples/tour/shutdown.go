package main

import (
	"context"
	"errors"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// visitShutdown shuts a server down while a client is connected.
func visitShutdown(ctx context.Context, t *tour) error {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	t.group.Go(func() error { return ln.Serve(ctx, polite) })
	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	lines := codec.Frame(conn, codec.Lines)
	if err := lines.Out.Send(ctx, "are you there?"); err != nil {
		return err
	}
	t.say("client", "receives %q", <-lines.In.C(ctx))
	t.say("server", "%v", ln)

	down := make(chan error, 1)
	t.group.Go(func() error {
		down <- ln.Shutdown(ctx)
		return nil
	})
	t.say("server", "is told to shut down")
	t.say("client", "receives %q", <-lines.In.C(ctx))
	_, ok := <-lines.In.C(ctx)
	t.say("client", "receives the end of the stream: %v", !ok)
	if err := conn.Close(); err != nil {
		return err
	}
	err = <-down
	t.say("server", "%v; Shutdown returned %v", ln, err)
	return err
}

// polite answers every line, and says goodbye when the server shuts down.
func polite(ctx context.Context, c *chanio.Conn) error {
	lines := codec.Frame(c, codec.Lines)
	for range lines.In.All(ctx) {
		if err := lines.Out.Send(ctx, "yes"); err != nil {
			return err
		}
	}
	if errors.Is(lines.In.Err(), servers.ErrShutdown) {
		return lines.Out.Send(ctx, "goodbye")
	}
	return lines.In.Err()
}
