// Batch collects events into batches by number and time, and pushes each batch to a list of a real redis-server with
// one command. It sends the next batch without waiting for the reply to the last one.
//
//	redis-server --port 6379 &
//	go run ./docs/examples/batch -addr localhost:6379
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/docs/examples/redis/resp"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	addr := flag.String("addr", "localhost:6379", "`host:port` of a redis-server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, 1000, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A batch is sent when it has this many events or its first event is this old.
const (
	size  = 64
	delay = 20 * time.Millisecond
)

// run pushes n events and prints the resulting length of the list.
func run(ctx context.Context, addr string, n int, out io.Writer) error {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	server := codec.Frame(conn, resp.Codec)
	if err := server.Out.Send(ctx, resp.Command("DEL", "events")); err != nil {
		return err
	}
	if _, err := server.In.Recv(ctx); err != nil {
		return err
	}
	batches, total, err := push(ctx, server, events(n))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d events in %d batches; the list has %d\n", n, batches, total)
	return nil
}

// events yields n events.
func events(n int) *chanio.Source[string] {
	return chanio.FromSeq(func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprintf("event %d", i)) {
				return
			}
		}
	})
}

// push sends the batches of src and concurrently reads the replies: the length of the list after each batch.
func push(ctx context.Context, server *chanio.Duplex[resp.Value, resp.Value], src *chanio.Source[string]) (batches int, total int64, err error) {
	commands := pipeline.Map(pipeline.Batch(src, size, delay), func(events []string) resp.Value {
		return resp.Command(append([]string{"RPUSH", "events"}, events...)...)
	})
	// Connect closes its sink after the last command, so the server answers all of them and then closes its side.
	sent := make(chan error, 1)
	go func() { sent <- pipeline.Connect(ctx, commands, server.Out) }()
	for answer := range server.In.All(ctx) {
		if err = answer.Err(); err != nil {
			break
		}
		batches++
		total = answer.Int
	}
	if err == nil {
		err = server.In.Err()
	} else {
		server.Out.Abort(err)
	}
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return batches, total, err
}
