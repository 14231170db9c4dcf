package servers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func ExampleListenTCP() {
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{MaxConns: 10_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	fmt.Println(ln.Addr().Network(), ln.Addr().(*net.TCPAddr).Port > 0)

	_, err = servers.ListenTCP("localhost", nil)
	fmt.Println(err)
	// Output:
	// tcp true
	// servers: listen tcp: address localhost: missing port in address; an address is host:port, the port at most 65535, such as "localhost:8080", ":8080" or "[::1]:8080"
}

func ExampleListener_Serve() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() {
		ended <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			lines := codec.Frame(c, codec.Lines)
			return pipeline.Connect(ctx, pipeline.Map(lines.In, strings.ToUpper), lines.Out)
		})
	}()

	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := codec.Frame(conn, codec.Lines)
	_ = client.Out.Send(ctx, "hello")
	reply, err := client.In.Recv(ctx)
	fmt.Println(reply, err)
	_ = conn.Close()

	cancel()
	fmt.Println(<-ended)
	// Output:
	// HELLO <nil>
	// <nil>
}

// Connections as a stream, for programs that also wait for other things.
func ExampleListener_conns() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	go func() {
		conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = conn.Out.Send(ctx, []byte("hello"))
		_ = conn.Close()
	}()

	for c := range ln.Conns.C(ctx) {
		chunk, err := c.In.Recv(ctx)
		fmt.Println(string(chunk), err)
		_ = c.Close() // its receiver closes it
		cancel()      // ends the range
	}
	fmt.Println(ln.Conns.Err())
	// Output:
	// hello <nil>
	// context canceled
}

func ExampleListener_Shutdown() {
	ctx := context.Background()
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() {
		ended <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			for chunk := range c.In.All(ctx) {
				_ = c.Out.Send(ctx, chunk)
			}
			if errors.Is(c.In.Err(), servers.ErrShutdown) {
				return c.Out.Send(ctx, []byte("we are closing"))
			}
			return c.In.Err()
		})
	}()
	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.Out.Send(ctx, []byte("hello"))
	reply, _ := conn.In.Recv(ctx)
	fmt.Println(string(reply))

	down := make(chan error)
	go func() { down <- ln.Shutdown(ctx) }()
	reply, _ = conn.In.Recv(ctx)
	fmt.Println(string(reply))
	_ = conn.Close()
	fmt.Println(<-down, <-ended)
	// Output:
	// hello
	// we are closing
	// <nil> <nil>
}
