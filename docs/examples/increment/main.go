// Increment receives numbers and answers each with the next one. It shows a custom protocol: a frame is a 32-bit length
// and a number as UTF-8 text, and the program sees only int64 values.
//
//	go run ./docs/examples/increment            # starts a server and asks it
//	go run ./docs/examples/increment -addr :7001 # serves until Ctrl-C
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// protocol is the format of frames in both directions:
//
//	+----+----+----+----+----+----+
//	| 00 | 00 | 00 | 02 | 34 | 31 |   41
//	+----+----+----+----+----+----+
//	  length of the text  "4"  "1"
//
// strconv.ParseInt is its post-decoder and strconv.FormatInt its pre-encoder.
var protocol = codec.Map(codec.Prefixed(codec.Uint32, codec.String),
	func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) },
	func(n int64) (string, error) { return strconv.FormatInt(n, 10), nil })

func main() {
	addr := flag.String("addr", "", "serve on `host:port` until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves on addr, or demonstrates a server and a client.
func run(ctx context.Context, addr string, out io.Writer) error {
	if addr == "" {
		return demonstrate(ctx, out)
	}
	ln, err := servers.ListenTCP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, increment)
}

// increment serves one connection.
func increment(ctx context.Context, c *chanio.Conn) error {
	numbers := codec.Frame(c, protocol)
	return pipeline.Connect(ctx, pipeline.Map(numbers.In, func(n int64) int64 { return n + 1 }), numbers.Out)
}

// demonstrate starts a server on a free port and sends it a few numbers.
func demonstrate(ctx context.Context, out io.Writer) error {
	ln, err := servers.ListenTCP("localhost:0", nil)
	if err != nil {
		return err
	}
	return chanio.Race(ctx,
		func(ctx context.Context) error { return ln.Serve(ctx, increment) },
		func(ctx context.Context) error { return ask(ctx, ln.Addr().String(), out, 1, 41, -1) })
}

// ask is the client: it sends each number and waits for the answer.
func ask(ctx context.Context, addr string, out io.Writer, numbers ...int64) error {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := codec.Frame(conn, protocol)
	for _, n := range numbers {
		if err := server.Out.Send(ctx, n); err != nil {
			return err
		}
		next, err := server.In.Recv(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%d -> %d\n", n, next)
	}
	return nil
}
