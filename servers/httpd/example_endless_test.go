package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers/httpd"
)

// A reply that does not end by itself ends when the ctx of Serve does, so that the shutdown need not abort it.
func ExampleNDJSON() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	numbers := func(request context.Context) *chanio.Source[int] {
		return chanio.FromSeq(func(yield func(int) bool) {
			for n := 0; yield(n); n++ {
				select {
				case <-time.After(time.Millisecond):
				case <-request.Done(): // the client has left
					return
				case <-ctx.Done(): // the server shuts down
					return
				}
			}
		})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httpd.New(httpd.Reply(func(request context.Context, _ *http.Request) (httpd.Response, error) {
		return httpd.NDJSON(numbers(request)), nil
	}), nil)
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()

	r, err := http.Get("http://" + ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewReader(r.Body)
	line, err := lines.ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	stop()
	_, err = io.Copy(io.Discard, lines) // until the reply is complete
	fmt.Println(err, <-served)
	// Output:
	// "0\n" <nil>
	// <nil> <nil>
}
