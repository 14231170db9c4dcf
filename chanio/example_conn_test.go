package chanio_test

import (
	"context"
	"fmt"
	"io"

	"github.com/weir-go/weir/chanio"
)

// Many small values in few system calls, though no input has asked for them.
func ExampleSink_Cork() {
	ctx := context.Background()
	near, far := chanio.Pipe()
	defer far.Close()
	uncork := near.Out.Cork()
	for _, word := range []string{"all ", "in ", "one"} {
		if err := near.Out.Send(ctx, []byte(word)); err != nil {
			fmt.Println(err)
		}
	}
	uncork() // sends what was held back
	_ = near.Close()
	text, err := chanio.ReadAll(ctx, far.In, 100)
	fmt.Println(string(text), err)
	// Output: all in one <nil>
}

// What a proxy does: each side is half-closed when the other ends.
func ExampleRelay() {
	ctx := context.Background()
	client, proxyIn := chanio.Pipe()
	proxyOut, server := chanio.Pipe()
	done := make(chan error)
	go func() { done <- chanio.Relay(ctx, proxyIn, proxyOut) }()
	_ = client.Out.Send(ctx, []byte("question"))
	_ = client.Out.Close()
	question, _ := chanio.ReadAll(ctx, server.In, 100)
	_ = server.Out.Send(ctx, append(question, "? answer."...))
	_ = server.Close()
	answer, err := chanio.ReadAll(ctx, client.In, 100)
	fmt.Println(string(answer), err)
	fmt.Println(<-done, client.Close(), proxyIn.Close(), proxyOut.Close())
	// Output:
	// question? answer. <nil>
	// <nil> <nil> <nil> <nil>
}

// For code that wants a net.Conn.
func ExampleAsNetConn() {
	near, far := chanio.Pipe()
	a, b := chanio.AsNetConn(near), chanio.AsNetConn(far)
	if _, err := fmt.Fprintln(a, "hello"); err != nil {
		fmt.Println(err)
	}
	_ = a.Close()
	text, err := io.ReadAll(b)
	fmt.Printf("%q %v\n", text, err)
	_ = b.Close()
	// Output: "hello\n" <nil>
}
