package clients_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

// Nobody answers, and the report of that is an error of the next Flush. The socket can still be used.
func ExampleDialUDP() {
	ctx := context.Background()
	server, err := servers.ListenUDP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = server.Close()
	conn, err := clients.DialUDP(ctx, server.LocalAddr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for range 2 {
		_ = conn.Out.Send(ctx, chanio.Packet{Data: []byte("anybody?")})
	}
	fmt.Println(errors.Is(conn.Out.Flush(ctx), syscall.ECONNREFUSED), conn.Out.Err())
	// Output: true <nil>
}
