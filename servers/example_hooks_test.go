package servers_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func ExampleHooks() {
	var failed, bytes atomic.Int64
	ln, err := servers.ListenTCP("127.0.0.1:0", &servers.Config{
		MaxPerIP: 100,
		Hooks: &servers.Hooks{Closed: func(c *chanio.Conn) {
			bytes.Add(c.Stats().BytesIn)
			if c.Cause() != nil {
				failed.Add(1)
			}
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- ln.Serve(ctx, echo) }()
	conn, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.Out.Send(ctx, []byte("hello"))
	_, _ = conn.In.Recv(ctx)
	_ = conn.Close()
	cancel()
	fmt.Println(<-ended, bytes.Load(), failed.Load())
	// Output:
	// <nil> 5 0
}
