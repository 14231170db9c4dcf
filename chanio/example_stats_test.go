package chanio_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-go/weir/chanio"
)

func ExampleConn_Stats() {
	ctx := context.Background()
	near, far := chanio.Pipe()
	_ = near.Out.Send(ctx, []byte("hello"))
	_, _ = far.In.Recv(ctx)
	fmt.Println(near.Stats().BytesOut, far.Stats().BytesIn)
	near.Out.Abort(nil)
	far.Out.Abort(nil)
	// Output:
	// 5 5
}

func ExampleConn_Cause() {
	near, far := chanio.Pipe()
	fmt.Println(near.Cause())
	near.Out.Abort(errors.New("enough"))
	fmt.Println(near.Cause())
	far.Out.Abort(nil)
	// Output:
	// <nil>
	// enough
}
