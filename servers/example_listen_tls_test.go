package servers_test

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

// A server with a certificate for tests. Use CertFile and KeyFile for real ones.
func ExampleListenTLS() {
	cert, authorities, err := servers.SelfSigned("localhost")
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := servers.ListenTLS("localhost:0", &servers.TLSConfig{Certificates: []tls.Certificate{cert}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
			return c.Out.Send(ctx, []byte("hello from "+c.TLS().ServerName))
		})
	}()
	conn, err := clients.DialTLS(ctx, ln.Addr().String(), &clients.TLSConfig{RootCAs: authorities, ServerName: "localhost"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := chanio.ReadAll(ctx, conn.In, 100)
	fmt.Println(string(text), err)
	fmt.Println(conn.Close())
	cancel()
	fmt.Println(<-served)
	// Output:
	// hello from localhost <nil>
	// <nil>
	// <nil>
}
