// Chat serves chat rooms over TCP. The first line from a client is the room, the second is its name, and later lines
// are sent to all members of the room.
//
//	go run ./docs/examples/chat -addr :7002
//	nc localhost 7002
//
// Each member has a queue of a hundred lines. A member that reads too slowly is disconnected and does not delay the
// others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
	"github.com/weir-go/weir/servers"
)

func main() {
	addr := flag.String("addr", "localhost:7002", "listen on `host:port`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, out io.Writer) error {
	ln, err := servers.ListenTCP(addr, &servers.Config{Logger: slog.Default()})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	rooms := bus.New[string, string]()
	defer rooms.Close()
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error { return member(ctx, c, rooms) })
}

// member serves one client.
func member(ctx context.Context, c *chanio.Conn, rooms bus.PubSub[string, string]) error {
	lines := codec.Frame(c, codec.Lines)
	room, err := lines.In.Recv(ctx)
	if err != nil {
		return ignoreEnd(err)
	}
	name, err := lines.In.Recv(ctx)
	if err != nil {
		return ignoreEnd(err)
	}
	heard, err := rooms.Subscribe(ctx, room, &pipeline.Queue[string]{
		Size: 100, Policy: pipeline.Disconnect, Name: name,
		OnOverflow: func() { lines.Out.Abort(pipeline.ErrOverflow) }, // it is blocked in sending to the client
	})
	if err != nil {
		return err
	}
	defer heard.Close()
	return chanio.Race(ctx,
		func(ctx context.Context) error { return pipeline.Connect(ctx, heard, lines.Out) },
		func(ctx context.Context) error {
			return pipeline.ForEach(ctx, lines.In, func(line string) error {
				_, err := rooms.Publish(ctx, room, name+": "+line)
				return err
			})
		})
}

// ignoreEnd returns nil if a client left before it sent its room and name.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
