//go:build unix && !aix && !solaris

package servers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// A supervisor receives messages from its services, as systemd does with NOTIFY_SOCKET, and answers.
func ExampleListenUnixgram() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "weir")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	supervisor, err := servers.ListenUnixgram(path, &servers.UnixgramConfig{Mode: 0o622})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer supervisor.Close()
	service, err := clients.DialUnixgram(path, &clients.UnixgramConfig{LocalAddr: filepath.Join(dir, "service")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()
	_ = service.Out.Send(ctx, chanio.UnixPacket{Data: []byte("READY=1")})
	for p := range pipeline.Take(supervisor.In, 1).All(ctx) {
		fmt.Printf("%s from %s\n", p.Data, filepath.Base(p.Addr))
		_ = supervisor.Out.Send(ctx, chanio.UnixPacket{Addr: p.Addr, Data: []byte("noted")})
	}
	p, _ := service.In.Recv(ctx)
	fmt.Printf("%s\n", p.Data)
	// Output:
	// READY=1 from service
	// noted
}
