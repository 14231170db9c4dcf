package main

import (
	"context"
	"errors"
	"log/slog"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// visitPanic makes one of two handlers panic.
func visitPanic(ctx context.Context, t *tour) error {
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{Logger: t.logger()})
	if err != nil {
		return err
	}
	t.announce("brittle", ln)
	t.group.Go(func() error { return ln.Serve(ctx, brittle) })
	var callers [2]*chanio.Duplex[string, string]
	for i := range callers {
		conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		callers[i] = codec.Frame(conn, codec.Lines)
	}
	if err := callers[0].Out.Send(ctx, "crash"); err != nil {
		return err
	}
	_, err = callers[0].In.Recv(ctx)
	t.say("client 1", " is reset: %v", errors.Is(err, syscall.ECONNRESET))
	if err := callers[1].Out.Send(ctx, "hello"); err != nil {
		return err
	}
	reply, err := callers[1].In.Recv(ctx)
	t.say("client 2", " receives %q", reply)
	return err
}

// brittle echoes lines and panics at one of them.
func brittle(ctx context.Context, c *chanio.Conn) error {
	lines := codec.Frame(c, codec.Lines)
	for line := range lines.In.All(ctx) {
		if line == "crash" {
			panic("did not expect that")
		}
		if err := lines.Out.Send(ctx, line); err != nil {
			return err
		}
	}
	return lines.In.Err()
}

// logger prints the logs of a server without attributes that differ in each run.
func (t *tour) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(t.out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey, "local", "peer", "stack":
				return slog.Attr{}
			}
			return a
		},
	}))
}
