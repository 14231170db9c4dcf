package chanio_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-go/weir/chanio"
)

// Two halves of different origin become a connection, for functions that expect one.
func ExampleConnOf() {
	request := strings.NewReader("GET /")
	var reply strings.Builder
	conn := chanio.ConnOf(chanio.FromReader(request), chanio.ToWriter(&reply), nil)

	ctx := context.Background()
	text, err := chanio.ReadAll(ctx, conn.In, 100)
	fmt.Println(string(text), err)
	err = conn.Out.Send(ctx, []byte("hello"))
	fmt.Println(err, conn.Close())
	fmt.Println(reply.String(), conn.RemoteAddr())
	// Output:
	// GET / <nil>
	// <nil> <nil>
	// hello stream
}
