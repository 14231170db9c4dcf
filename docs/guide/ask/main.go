// Ask sends an order to the server of the README, for which it waits, and prints the reply.
//
//	go run ./docs/guide/ask 7 1
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

type Order struct{ ID, Count int }

var orders = codec.Prefixed(codec.Uint32, codec.JSON[Order]())

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: ask ID COUNT")
	}
	id, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	reply, err := ask("localhost:7000", Order{ID: id, Count: count})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", reply)
}

// ask makes one call. It connects again until the server listens, for a minute at most.
func ask(addr string, order Order) (Order, error) {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	caller := clients.NewClient(dial, orders, orders, &clients.ClientConfig[Order, Order]{Timeout: time.Minute})
	defer caller.Close()
	return caller.Call(context.Background(), order)
}
