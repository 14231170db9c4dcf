package clients_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// The second exchange uses the connection of the first.
func ExampleNewConnPool() {
	dialed := 0
	dial := func(context.Context) (*chanio.Conn, error) {
		dialed++
		conn, server := chanio.Pipe()
		go func() {
			lines := codec.Frame(server, codec.Lines)
			for line := range lines.In.All(context.Background()) {
				_ = lines.Out.Send(context.Background(), line+"!")
			}
			_ = lines.Close()
		}()
		return conn, nil
	}
	pool := clients.NewConnPool(dial, &clients.PoolConfig[*chanio.Conn]{MaxOpen: 4})
	ctx := context.Background()
	for _, word := range []string{"one", "two"} {
		err := pool.Do(ctx, func(ctx context.Context, c *chanio.Conn) error {
			if err := codec.Send(ctx, c.Out, codec.Lines, word); err != nil {
				return err
			}
			reply, err := codec.Recv(ctx, c.In, codec.Lines)
			fmt.Println(reply, err)
			return err
		})
		fmt.Println(err)
	}
	fmt.Println(dialed, "dialed;", pool.Close())
	// Output:
	// one! <nil>
	// <nil>
	// two! <nil>
	// <nil>
	// 1 dialed; <nil>
}

func ExamplePublicOnly() {
	for _, addr := range []string{"127.0.0.1:80", "10.1.2.3:80", "[::ffff:192.168.0.1]:80", "8.8.8.8:53"} {
		fmt.Println(addr, clients.PublicOnly(netip.MustParseAddrPort(addr)) == nil)
	}
	_, err := clients.DialTCP(context.Background(), "localhost:80", &clients.Config{Allow: clients.PublicOnly})
	fmt.Println(err != nil)
	// Output:
	// 127.0.0.1:80 false
	// 10.1.2.3:80 false
	// [::ffff:192.168.0.1]:80 false
	// 8.8.8.8:53 true
	// true
}

// A pool drops a connection with input that belongs to no request, instead of lending it.
func ExampleCheckIdle() {
	ctx := context.Background()
	conn, server := chanio.Pipe()
	fmt.Println(clients.CheckIdle(ctx, conn))
	_ = server.Out.Send(ctx, []byte("reply\nanother\n"))
	line, err := codec.Recv(ctx, conn.In, codec.Lines)
	fmt.Println(line, err)
	fmt.Println(clients.CheckIdle(ctx, conn))
	conn.Abort(nil)
	_ = server.Close()
	// Output:
	// <nil>
	// reply <nil>
	// clients: the peer has sent something that nobody asked for
}
