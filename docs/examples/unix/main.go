// Unix serves on a Unix domain socket. Only processes on this machine can connect, and only those that the mode of its
// file admits: here, those of the same user. It answers each line in capitals.
//
//	go run ./docs/examples/unix                     # starts a server and asks it
//	go run ./docs/examples/unix -path /tmp/loud     # serves until Ctrl-C
//	nc -U /tmp/loud
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	path := flag.String("path", "", "serve on the socket at this `path` until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *path, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves at path, or demonstrates a server and a client.
func run(ctx context.Context, path string, out io.Writer) error {
	if path == "" {
		return demonstrate(ctx, out)
	}
	ln, err := listen(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, loud)
}

// listen removes the file of a server that has crashed, but not that of a running one.
func listen(path string) (*servers.Listener, error) {
	return servers.ListenUnix(path, &servers.Config{Mode: 0o600})
}

// loud serves one connection.
func loud(ctx context.Context, c *chanio.Conn) error {
	lines := codec.Frame(c, codec.Lines)
	return pipeline.Connect(ctx, pipeline.Map(lines.In, strings.ToUpper), lines.Out)
}

// demonstrate starts a server at a temporary path and talks to it.
func demonstrate(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "loud")
	ln, err := listen(path)
	if err != nil {
		return err
	}
	return chanio.Race(ctx,
		func(ctx context.Context) error { return ln.Serve(ctx, loud) },
		func(ctx context.Context) error { return ask(ctx, path, out, "hello", "is this thing on?") })
}

// ask is the client.
func ask(ctx context.Context, path string, out io.Writer, lines ...string) error {
	conn, err := clients.DialUnix(ctx, path, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := codec.Frame(conn, codec.Lines)
	for _, line := range lines {
		if err := server.Out.Send(ctx, line); err != nil {
			return err
		}
		reply, err := server.In.Recv(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, reply)
	}
	return nil
}
