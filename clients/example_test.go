package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func ExampleDialTCP() {
	ctx := context.Background()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // any echo server
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(nc, nc)
		_ = nc.Close()
	}()

	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := codec.Frame(conn, codec.Lines)
	_ = lines.Out.Send(ctx, "hello")
	reply, err := lines.In.Recv(ctx)
	fmt.Println(reply, err)
	_ = conn.Close()

	_ = ln.Close()
	_, err = clients.DialTCP(ctx, ln.Addr().String(), nil)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// hello <nil>
	// true
}
