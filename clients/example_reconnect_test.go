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

func ExampleReconnect() {
	var network chaniotest.Network
	ln, err := network.Listen("server")
	if err != nil {
		fmt.Println(err)
		return
	}
	go serveEcho(ln)
	defer ln.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	attempts := 0
	r := clients.Reconnect(func(ctx context.Context) (*chanio.Conn, error) {
		if attempts++; attempts == 2 {
			return nil, errors.New("the network is down")
		}
		return network.Dial(ctx, "server")
	}, &clients.ReconnectConfig{Backoff: clients.ExponentialBackoff(time.Millisecond, time.Second, 0.5), Stable: -1})
	defer r.Close()

	for conn := range r.Conns.All(ctx) {
		if err := conn.Out.Send(ctx, []byte("hello")); err != nil {
			fmt.Println(err)
		}
		reply, err := conn.In.Recv(ctx)
		fmt.Printf("%s %v, attempt %d\n", reply, err, attempts)
		conn.Out.Abort(nil) // simulates a broken connection
		if attempts == 3 {
			break
		}
	}
	// Output:
	// hello <nil>, attempt 1
	// hello <nil>, attempt 3
}

func ExampleExponentialBackoff() {
	pause := clients.ExponentialBackoff(100*time.Millisecond, time.Second, 0)
	for failures := 1; failures <= 6; failures++ {
		fmt.Print(pause(failures), " ")
	}
	// Output: 100ms 200ms 400ms 800ms 1s 1s
}
