//go:build unix && !aix && !solaris

package servers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func ExampleListenUnix() {
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "echo")
	ln, err := servers.ListenUnix(path, &servers.Config{Mode: 0o660})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- ln.Serve(ctx, echo) }()

	conn, err := clients.DialUnix(ctx, path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = conn.Out.Send(ctx, []byte("hello"))
	reply, err := conn.In.Recv(ctx)
	fmt.Println(string(reply), err)
	_ = conn.Close()

	cancel()
	fmt.Println(<-ended)
	_, err = os.Stat(path)
	fmt.Println(os.IsNotExist(err))
	// Output:
	// hello <nil>
	// <nil>
	// true
}
