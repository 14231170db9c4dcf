package clients_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// Many goroutines share one connection to a server that answers line by line.
func ExampleNewCaller() {
	var network chaniotest.Network
	ln, err := network.Listen("server")
	if err != nil {
		fmt.Println(err)
		return
	}
	go serveEcho(ln)
	defer ln.Close()

	ctx := context.Background()
	conn, err := network.Dial(ctx, "server")
	if err != nil {
		fmt.Println(err)
		return
	}
	m := clients.NewCaller(ctx, codec.Frame(conn, codec.Lines), nil)
	defer m.Close()

	replies := make([]string, 3)
	var all sync.WaitGroup
	for i := range replies {
		all.Go(func() { replies[i], _ = m.Call(ctx, fmt.Sprint("request ", i)) })
	}
	all.Wait()
	fmt.Println(replies)
	// Output: [request 0 request 1 request 2]
}

// Replies come in any order. A number in each message matches it to its request.
func ExampleNewTaggedCaller() {
	type message struct {
		id   uint64
		text string
	}
	near, far := typedPipe[message, message](8)
	ctx := context.Background()
	m := clients.NewTaggedCaller(ctx, near, clients.CallerTags[message, message]{
		Tag: func(m message, id uint64) message { m.id = id; return m },
		ID:  func(m message) uint64 { return m.id },
	}, nil)
	defer m.Close()

	var slow, fast message
	var all sync.WaitGroup
	all.Go(func() { slow, _ = m.Call(ctx, message{text: "slow"}) })
	first, _ := far.In.Recv(ctx)
	all.Go(func() { fast, _ = m.Call(ctx, message{text: "fast"}) })
	second, _ := far.In.Recv(ctx)
	_ = far.Out.Send(ctx, message{second.id, "answer to " + second.text})
	_ = far.Out.Send(ctx, message{first.id, "answer to " + first.text})
	all.Wait()
	fmt.Println(slow.text, "and", fast.text)
	// Output: answer to slow and answer to fast
}
