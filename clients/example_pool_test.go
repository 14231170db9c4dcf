package clients_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
)

func ExampleNewPool() {
	var network chaniotest.Network
	ln, err := network.Listen("server")
	if err != nil {
		fmt.Println(err)
		return
	}
	go serveEcho(ln)
	defer ln.Close()

	pool := clients.NewPool(
		func(ctx context.Context) (*chanio.Conn, error) { return network.Dial(ctx, "server") },
		func(c *chanio.Conn) { c.Out.Abort(nil) },
		&clients.PoolConfig[*chanio.Conn]{MaxOpen: 4, IdleTimeout: time.Minute},
	)
	defer pool.Close()

	ctx := context.Background()
	for range 3 {
		err := pool.Do(ctx, func(ctx context.Context, c *chanio.Conn) error {
			if err := c.Out.Send(ctx, []byte("ping")); err != nil {
				return err
			}
			reply, err := c.In.Recv(ctx)
			fmt.Printf("%s ", reply)
			return err
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("over", pool.Stats().Opened, "connection")
	// Output: ping ping ping over 1 connection
}

func ExamplePool_Get() {
	number := 0
	pool := clients.NewPool(
		func(context.Context) (int, error) { number++; return number, nil },
		func(n int) { fmt.Println("closed", n) }, nil)

	use := func(err error) {
		lease, getErr := pool.Get(context.Background())
		if getErr != nil {
			fmt.Println(getErr)
			return
		}
		defer lease.Release()
		fmt.Println("use", lease.Value())
		if err != nil {
			lease.Broken()
		}
	}
	use(nil)
	use(errors.New("connection reset"))
	use(nil)
	fmt.Println(pool.Shutdown(context.Background()))
	// Output:
	// use 1
	// use 1
	// closed 1
	// use 2
	// closed 2
	// <nil>
}
