package clients_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// The first call opens the connection, and the first call after its end reopens it.
func ExampleNewClient() {
	var network chaniotest.Network
	ln, err := network.Listen("server")
	if err != nil {
		fmt.Println(err)
		return
	}
	go serveEcho(ln)
	defer ln.Close()

	dial := func(ctx context.Context) (*chanio.Conn, error) { return network.Dial(ctx, "server") }
	client := clients.NewClient(dial, codec.Lines, codec.Lines, &clients.ClientConfig[string, string]{
		Timeout: 10 * time.Second, // for each call, including the connect
	})
	reply, err := client.Call(context.Background(), "hello")
	fmt.Println(reply, err)
	fmt.Println(client.Close())
	_, err = client.Call(context.Background(), "too late")
	fmt.Println(errors.Is(err, clients.ErrNotSent))
	// Output:
	// hello <nil>
	// <nil>
	// true
}
