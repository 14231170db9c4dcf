package main

import (
	"context"
	"log"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

type Order struct{ ID, Count int }

var orders = codec.Prefixed(codec.Uint32, codec.JSON[Order]()) // a 32-bit length, then JSON

func main() {
	ln, err := servers.ListenTCP("localhost:7000", nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Println(ln) // where it listens
	log.Fatal(ln.Serve(context.Background(), serve))
}

func serve(ctx context.Context, c *chanio.Conn) error {
	d := codec.Frame(c, orders)
	for order := range d.In.C(ctx) { // a channel of typed values
		order.Count++
		d.Out.C(ctx) <- order // and another
	}
	return d.In.Err() // why it ended
}
