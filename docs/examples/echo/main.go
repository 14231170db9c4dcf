// Echo sends back every byte it receives. It is the smallest server.
//
//	go run ./docs/examples/echo -addr :7000
//	nc localhost 7000
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	addr := flag.String("addr", "localhost:7000", "listen on `host:port`")
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
	return ln.Serve(ctx, echo)
}

// echo sends back what it receives. When the peer closes its side, echo does too, after the last byte.
func echo(ctx context.Context, c *chanio.Conn) error {
	return pipeline.Connect(ctx, c.In, c.Out)
}
