// A client for the server of step 5. It orders an apple each second, and reconnects when the connection ends.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// Order is "3 apples" on the wire.
type Order struct {
	Count int
	Item  string
}

var orders = codec.Map(codec.Lines,
	func(line string) (o Order, err error) {
		_, err = fmt.Sscanf(line, "%d %s", &o.Count, &o.Item)
		return o, err
	},
	func(o Order) (string, error) { return fmt.Sprintf("%d %s", o.Count, o.Item), nil })

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log.Println(stayConnected(ctx, "localhost:7000", func(o Order) { fmt.Printf("%d %s in all\n", o.Count, o.Item) }))
}

// stayConnected talks to the server at addr until ctx ends or ten attempts in a row have failed.
func stayConnected(ctx context.Context, addr string, show func(total Order)) error {
	cfg := &clients.Config{
		Timeout: 5 * time.Second, // for looking up the name and connecting
		Conn: chanio.ConnConfig{
			IdleTimeout:  30 * time.Second, // the server sends totals every ten seconds
			WriteTimeout: 30 * time.Second, // the server reads nothing
		},
	}
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, cfg) }
	feed := clients.Reconnect(dial, &clients.ReconnectConfig{MaxAttempts: 10})
	defer feed.Close()
	for conn := range feed.Conns.All(ctx) {
		log.Println("connection ended:", talk(ctx, conn, show))
	}
	return feed.Conns.Err()
}

// talk sends orders and shows totals until the connection ends or fails.
func talk(ctx context.Context, c *chanio.Conn, show func(total Order)) error {
	d := codec.Frame(c, orders)
	defer d.Close()
	each := pipeline.Periodically(time.Second, func(time.Time) Order { return Order{1, "apples"} })
	return chanio.Race(ctx,
		func(ctx context.Context) error { return pipeline.Connect(ctx, each, d.Out) },
		func(ctx context.Context) error {
			for total := range d.In.All(ctx) {
				show(total)
			}
			return d.In.Err()
		})
}
