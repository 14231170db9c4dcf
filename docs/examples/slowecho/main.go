// Slowecho is increment with slow work. It works on several requests of a connection at once, and answers in the order
// of the requests. If a request fails, it answers "ERROR: " with the reason, and closes the connection.
//
//	go run ./docs/examples/slowecho            # starts a server and asks it
//	go run ./docs/examples/slowecho -addr :7002 # serves until Ctrl-C
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// atOnce is how many requests of a connection are in progress at once. At the limit its input is not read, so the
// client waits.
const atOnce = 8

// Both directions are length-prefixed text: requests are numbers, answers are any text.
var (
	text    = codec.Prefixed(codec.Uint32, codec.String)
	numbers = codec.Map(text,
		func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) },
		func(n int64) (string, error) { return strconv.FormatInt(n, 10), nil })
)

func main() {
	addr := flag.String("addr", "", "serve on `host:port` until Ctrl-C")
	delay := flag.Duration("delay", time.Second, "how long the work takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *delay, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves on addr, or demonstrates a server and a client.
func run(ctx context.Context, addr string, delay time.Duration, out io.Writer) error {
	if addr == "" {
		return demonstrate(ctx, delay, out)
	}
	ln, err := servers.ListenTCP(addr, &servers.Config{Logger: slog.Default()})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, slowly(delay))
}

// slowly returns the handler.
func slowly(delay time.Duration) func(context.Context, *chanio.Conn) error {
	return func(ctx context.Context, c *chanio.Conn) error {
		d := codec.FrameBoth(c, numbers, text)
		pending := make(chan *future.Future[int64], atOnce-2) // in addition to the one awaited and the one being sent
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			defer close(pending)
			for n := range d.In.All(ctx) {
				future := future.Go(ctx, func(ctx context.Context) (int64, error) { return increment(ctx, n, delay) })
				select {
				case pending <- future:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return d.In.Err() // nil: the client has half-closed, and the rest is answered
		})
		g.Go(func() error {
			for future := range pending {
				if err := answer(ctx, d.Out, future); err != nil {
					return err
				}
			}
			return nil
		})
		return g.Wait()
	}
}

// answer waits for a result and sends it. It sends an error too, and returns it: that ends the connection after
// everything is sent.
func answer(ctx context.Context, out *chanio.Sink[string], future *future.Future[int64]) error {
	n, err := future.Await(ctx)
	if err == nil {
		return out.Send(ctx, strconv.FormatInt(n, 10))
	}
	if ctx.Err() == nil {
		_ = out.Send(ctx, "ERROR: "+err.Error())
	}
	return err
}

// increment is the work.
func increment(ctx context.Context, n int64, delay time.Duration) (int64, error) {
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if n == math.MaxInt64 {
		return 0, fmt.Errorf("%d has no successor", n)
	}
	return n + 1, nil
}

// demonstrate starts a server on a free port and calls it twice.
func demonstrate(ctx context.Context, delay time.Duration, out io.Writer) error {
	ln, err := servers.ListenTCP("localhost:0", nil)
	if err != nil {
		return err
	}
	return chanio.Race(ctx,
		func(ctx context.Context) error { return ln.Serve(ctx, slowly(delay)) },
		func(ctx context.Context) error {
			if err := ask(ctx, ln.Addr().String(), out, 1, 2, 3); err != nil {
				return err
			}
			return ask(ctx, ln.Addr().String(), out, 41, math.MaxInt64, 43)
		})
}

// ask sends all its numbers, half-closes, and prints the answers up to the end of the stream.
func ask(ctx context.Context, addr string, out io.Writer, asked ...int64) error {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := codec.FrameBoth(conn, text, numbers)
	for _, n := range asked {
		if err := server.Out.Send(ctx, n); err != nil {
			return err
		}
	}
	if err := server.Out.Close(); err != nil {
		return err
	}
	fmt.Fprintln(out, "asked for", asked)
	for reply := range server.In.All(ctx) {
		fmt.Fprintln(out, " ", reply)
	}
	fmt.Fprintln(out, "  (end of the stream)")
	return server.In.Err()
}
