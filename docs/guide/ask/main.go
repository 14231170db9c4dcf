// Ask sends an order to the server of the README, for which it waits, and prints the reply.
//
//	go run ./docs/guide/ask 7 1
//	go run ./docs/guide/ask -x 7 1    # with the bytes of both
package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

type Order struct{ ID, Count int }

var orders = codec.Prefixed(codec.Uint32, codec.JSON[Order]())

func main() {
	dump := flag.Bool("x", false, "also print the bytes")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: ask [-x] ID COUNT")
	}
	id, err := strconv.Atoi(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	count, err := strconv.Atoi(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	order := Order{ID: id, Count: count}
	reply, err := ask("localhost:7000", order)
	if err != nil {
		log.Fatal(err)
	}
	if *dump {
		fmt.Print(bytesOf(order), bytesOf(reply))
	}
	fmt.Printf("%+v\n", reply)
}

// bytesOf returns an order as it is on the wire.
func bytesOf(o Order) string {
	p, err := codec.Marshal(orders, o)
	if err != nil {
		return err.Error() + "\n"
	}
	return hex.Dump(p)
}

// ask makes one call. It retries until the server listens, for a minute at most.
func ask(addr string, order Order) (Order, error) {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	caller := clients.NewClient(dial, orders, orders, &clients.ClientConfig[Order, Order]{Timeout: time.Minute})
	defer caller.Close()
	return caller.Call(context.Background(), order)
}
