package websocket_test

import (
	"context"
	"fmt"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
)

// A pipe needs no handshake, so messages can be tested without a network.
func ExampleNewConn() {
	ctx := context.Background()
	a, b := chanio.Pipe()
	client, server := websocket.NewConn(a, &websocket.Config{Client: true}), websocket.NewConn(b, nil)
	done := make(chan error)
	go func() { done <- pipeline.Connect(ctx, server.In, server.Out) }()
	_ = client.Out.Send(ctx, websocket.Text("hello"))
	m, err := client.In.Recv(ctx)
	fmt.Println(m, err)
	fmt.Println(client.CloseWith(websocket.NormalClosure, "enough"), <-done)
	// Output:
	// hello <nil>
	// <nil> <nil>
}

func ExampleJSON() {
	type price struct{ EUR int }
	ctx := context.Background()
	a, b := chanio.Pipe()
	client, server := websocket.NewConn(a, &websocket.Config{Client: true}), websocket.NewConn(b, nil)
	_ = websocket.JSON[price](server).Out.Send(ctx, price{7})
	m, _ := client.In.Recv(ctx)
	fmt.Println(m)
	client.Abort(nil)
	server.Abort(nil)
	// Output: {"EUR":7}
}

func ExampleFrames() {
	p, err := codec.Marshal(websocket.Frames(0), websocket.Frame{Fin: true, Opcode: websocket.OpText, Payload: []byte("Hello")})
	fmt.Printf("% x %v\n", p, err)
	// Output: 81 05 48 65 6c 6c 6f <nil>
}

func ExamplePrepare() {
	m, err := websocket.Prepare(websocket.Text("to everybody"))
	fmt.Println(m, err)
	_, err = websocket.Prepare(websocket.Text("\xff"))
	fmt.Println(err)
	// Output:
	// to everybody <nil>
	// websocket: invalid message: text is not UTF-8
}
