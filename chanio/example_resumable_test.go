package chanio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-go/weir/chanio"
)

// A receive that timed out has taken nothing, and the stream continues.
func ExampleResumable() {
	conn, peer := chanio.Pipe()
	defer peer.Close()
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := conn.In.Recv(ctx)
	fmt.Println(chanio.Resumable(ctx, err))
	_ = peer.Out.Close()
	_, err = conn.In.Recv(context.Background())
	fmt.Println(err, chanio.Resumable(context.Background(), err))
	// Output:
	// true
	// EOF false
}
