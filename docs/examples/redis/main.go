// Redis is a client of a real redis-server with its own codec for RESP2 and RESP3: a call, 10,000 pipelined SETs and
// GETs over one connection, and a subscription.
//
//	redis-server --port 6379 &
//	go run ./docs/examples/redis -addr localhost:6379
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
	"github.com/weir-go/weir/docs/examples/redis/resp"
)

func main() {
	addr := flag.String("addr", "localhost:6379", "`host:port` of a redis-server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the example.
func run(ctx context.Context, addr string, out io.Writer) error {
	c, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	pong, err := c.call(ctx, "PING")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "PING:", pong.Text)
	sum, err := pipelined(ctx, c, 10_000)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the sum of 10000 keys:", sum)
	return subscription(ctx, addr, c, out)
}

// client is a connection to a server.
type client struct {
	*chanio.Duplex[resp.Value, resp.Value]
}

// dial connects and switches to RESP3.
func dial(ctx context.Context, addr string) (*client, error) {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	c := &client{codec.Frame(conn, resp.Codec)}
	if _, err := c.call(ctx, "HELLO", "3"); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// call sends one command and waits for its reply.
func (c *client) call(ctx context.Context, words ...string) (resp.Value, error) {
	if err := c.Out.Send(ctx, resp.Command(words...)); err != nil {
		return resp.Value{}, err
	}
	return c.answer(ctx)
}

// answer returns the next reply.
func (c *client) answer(ctx context.Context) (resp.Value, error) {
	v, err := c.In.Recv(ctx)
	if err != nil {
		return v, err
	}
	return v, v.Err()
}

// pipelined sets n keys and gets them, without waiting for a reply before it sends the next command. It sends and
// receives concurrently, so neither side must buffer what the other has not read.
func pipelined(ctx context.Context, c *client, n int) (sum int64, err error) {
	group, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- sendAll(group, c, n) }()
	for i := range 2 * n {
		v, err := c.answer(ctx)
		if err != nil {
			cancel()
			<-sent
			return 0, err
		}
		if i < n {
			continue // OK
		}
		number, err := strconv.ParseInt(v.Text, 10, 64)
		if err != nil {
			cancel()
			<-sent
			return 0, err
		}
		sum += number
	}
	return sum, <-sent
}

func sendAll(ctx context.Context, c *client, n int) error {
	for i := range n {
		if err := c.Out.Send(ctx, resp.Command("SET", "weir:"+strconv.Itoa(i), strconv.Itoa(i))); err != nil {
			return err
		}
	}
	for i := range n {
		if err := c.Out.Send(ctx, resp.Command("GET", "weir:"+strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return c.Out.Flush(ctx)
}

// subscription receives on a second connection what c publishes.
func subscription(ctx context.Context, addr string, c *client, out io.Writer) error {
	listener, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if _, err := listener.call(ctx, "SUBSCRIBE", "news"); err != nil {
		return err
	}
	for _, text := range []string{"one", "two"} {
		if _, err := c.call(ctx, "PUBLISH", "news", text); err != nil {
			return err
		}
		message, err := listener.answer(ctx)
		if err != nil {
			return err
		}
		if message.Kind != resp.Push || len(message.Elems) != 3 {
			return fmt.Errorf("not a message: %v", message)
		}
		fmt.Fprintf(out, "%s: %s\n", message.Elems[1].Text, message.Elems[2].Text)
	}
	return nil
}
