// Delayed replies after a second, in three ways. Each costs at most one more goroutine, so ten thousand clients can
// wait at once. A client that disconnects ends its wait.
//
//	go run ./docs/examples/delayed
//	curl localhost:8080/future
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("http://localhost:8080/future")
	if err := httpd.ListenAndServe(ctx, "localhost:8080", routes(time.Second), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func routes(delay time.Duration) http.Handler {
	s := &server{delay}
	mux := http.NewServeMux()
	mux.Handle("GET /future", httpd.Reply(s.byFuture))
	mux.Handle("GET /channel", httpd.Reply(s.byChannel))
	mux.Handle("GET /source", httpd.Reply(s.bySource))
	return mux
}

type server struct{ delay time.Duration }

var hello = httpd.Text("hello world!\n")

// byFuture waits for the length of the delay on a Future that is never completed.
func (s *server) byFuture(ctx context.Context, _ *http.Request) (httpd.Response, error) {
	_, err := new(future.Future[struct{}]).WithTimeout(s.delay).Await(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return hello, nil
	}
	return httpd.Response{}, err
}

// byChannel starts a goroutine that sends on a channel.
func (s *server) byChannel(ctx context.Context, _ *http.Request) (httpd.Response, error) {
	replies := make(chan httpd.Response, 1)
	time.AfterFunc(s.delay, func() { replies <- hello })
	select {
	case resp := <-replies:
		return resp, nil
	case <-ctx.Done():
		return httpd.Response{}, ctx.Err()
	}
}

// bySource receives from a Source that yields its value after the delay.
func (s *server) bySource(ctx context.Context, _ *http.Request) (httpd.Response, error) {
	timer := time.NewTimer(s.delay)
	ticks := chanio.From(timer.C, func() { timer.Stop() })
	defer ticks.Close()
	if _, err := ticks.Recv(ctx); err != nil {
		return httpd.Response{}, err
	}
	return hello, nil
}
