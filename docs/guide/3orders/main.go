package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
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
	ln, err := servers.ListenTCP("localhost:7000", &servers.Config{Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	log.Println(ln)
	log.Println(ln.Serve(context.Background(), serve))
}

// serve answers each order with the total of its item.
func serve(ctx context.Context, c *chanio.Conn) error {
	d := codec.Frame(c, orders)
	totals := map[string]int{}
	for order := range d.In.All(ctx) {
		totals[order.Item] += order.Count
		if err := d.Out.Send(ctx, Order{totals[order.Item], order.Item}); err != nil {
			return err
		}
	}
	return d.In.Err()
}
