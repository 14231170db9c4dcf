package servers_test

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// TLS between a server and a client of one test.
func ExampleSelfSigned() {
	cert, pool, err := servers.SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := servers.ListenTLS("127.0.0.1:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	ctx := context.Background()
	go func() {
		_ = ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			return codec.Send(ctx, c.Out, codec.Lines, "hello")
		})
	}()

	conn, err := clients.DialTLS(ctx, ln.Addr().String(), &clients.TLSConfig{RootCAs: pool}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	line, err := codec.Recv(ctx, conn.In, codec.Lines)
	fmt.Println(line, err, conn.Close())
	// Output: hello <nil> <nil>
}
