package websocket_test

import (
	"context"
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
)

// connected returns both ends of a WebSocket in memory.
func connected() (client, server *websocket.Conn) {
	a, b := chanio.Pipe()
	return websocket.NewConn(a, &websocket.Config{Client: true}), websocket.NewConn(b, nil)
}

func ExampleTexts() {
	ctx := context.Background()
	client, server := connected()
	_ = websocket.Texts(client).Out.Send(ctx, "hello")
	text, err := websocket.Texts(server).In.Recv(ctx)
	fmt.Println(text, err)
	go func() { _ = client.Close() }()
	fmt.Println(server.Close())
	// Output:
	// hello <nil>
	// <nil>
}

// Binary messages of two numbers.
func ExampleTyped() {
	ctx := context.Background()
	client, server := connected()
	point := codec.Array(2, codec.Int16)
	_ = websocket.Typed(client, websocket.BinaryMessage, point).Out.Send(ctx, []int16{3, -1})
	p, err := websocket.Typed(server, websocket.BinaryMessage, point).In.Recv(ctx)
	fmt.Println(p, err)
	go func() { _ = client.Close() }()
	fmt.Println(server.Close())
	// Output:
	// [3 -1] <nil>
	// <nil>
}

// The memory of a received message is used again after its release.
func ExampleLeases() {
	ctx := context.Background()
	client, server := connected()
	_ = client.Out.Send(ctx, websocket.Text("hello"))
	m, err := websocket.Leases(server).In.Recv(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(m.Data))
	m.Release()
	go func() { _ = client.Close() }()
	fmt.Println(server.Close())
	// Output:
	// 5
	// <nil>
}
