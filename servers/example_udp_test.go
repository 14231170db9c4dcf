package servers_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func ExampleListenUDP() {
	ctx := context.Background()
	server, err := servers.ListenUDP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client, err := clients.DialUDP(ctx, server.LocalAddr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_ = client.Out.Send(ctx, chanio.Packet{Data: []byte("hello")})
	for p := range pipeline.Take(server.In, 1).All(ctx) {
		fmt.Printf("%s from %v\n", p.Data, p.Addr.Addr())
	}
	// Output: hello from 127.0.0.1
}

// A datagram that cannot be sent is refused at once, and nothing else is affected.
func ExampleListenUDP_tooLarge() {
	conn, err := servers.ListenUDP("127.0.0.1:0", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	err = conn.Out.Send(context.Background(), chanio.Packet{Addr: conn.LocalAddr(), Data: make([]byte, 1<<16)})
	fmt.Println(errors.Is(err, syscall.EMSGSIZE), conn.Out.Err())
	// Output: true <nil>
}

func ExampleListenUDP_multicast() {
	conn, err := servers.ListenUDP("0.0.0.0:0", &servers.UDPConfig{ReusePort: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	err = conn.Join(netip.MustParseAddr("10.0.0.1"), nil)
	var what error
	for what = err; errors.Unwrap(what) != nil; what = errors.Unwrap(what) {
	}
	fmt.Println(what)
	// Output: not a multicast address: groups are in 224.0.0.0/4 and ff00::/8
}

func ExampleListenUDP_stats() {
	ctx := context.Background()
	conn, err := servers.ListenUDP("127.0.0.1:0", &servers.UDPConfig{MaxDatagram: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	uncork := conn.Out.Cork()
	for _, size := range []int{10, 1000, 20} { // one of them is too large
		_ = conn.Out.Send(ctx, chanio.Packet{Addr: conn.LocalAddr(), Data: make([]byte, size)})
	}
	uncork()
	for p := range pipeline.Take(conn.In, 2).All(ctx) {
		fmt.Println(len(p.Data), "bytes")
	}
	s := conn.Stats()
	fmt.Println(s.Sent, "sent,", s.Truncated, "truncated")
	// Output:
	// 10 bytes
	// 20 bytes
	// 3 sent, 1 truncated
}
