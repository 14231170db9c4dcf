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

// The peer is absent. The report is an error of the next Flush, and the socket remains usable.
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
