// Numbers streams a number every 100 ms, in three ways. Each number is sent when it is due.
//
//	go run ./docs/examples/numbers
//	curl -N 'localhost:8080/ticks?count=10'
package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

const period = 100 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("http://localhost:8080/ticks")
	if err := httpd.ListenAndServe(ctx, "localhost:8080", routes(period), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// routes has the three ways. Each returns a Source of the given number of lines.
func routes(period time.Duration) http.Handler {
	ways := map[string]func(ctx context.Context, count int) *chanio.Source[string]{
		"/ticks":    func(_ context.Context, count int) *chanio.Source[string] { return ticks(period, count) },
		"/sequence": func(ctx context.Context, count int) *chanio.Source[string] { return sequence(ctx, period, count) },
		"/channel":  func(ctx context.Context, count int) *chanio.Source[string] { return channel(ctx, period, count) },
	}
	mux := http.NewServeMux()
	for path, numbers := range ways {
		mux.Handle("GET "+path, httpd.Reply(func(ctx context.Context, r *http.Request) (httpd.Response, error) {
			count, err := strconv.Atoi(r.FormValue("count"))
			if err != nil {
				return httpd.Response{}, err // answered 500 and logged
			}
			return httpd.TextStream(numbers(ctx, count)), nil
		}))
	}
	return mux
}

// ticks is a stage over a source of ticks.
func ticks(period time.Duration, count int) *chanio.Source[string] {
	n := -1
	return pipeline.Take(pipeline.Periodically(period, func(time.Time) string {
		n++
		return line(n)
	}), count)
}

// sequence is an iterator that waits between its values.
func sequence(ctx context.Context, period time.Duration, count int) *chanio.Source[string] {
	var numbers iter.Seq[string] = func(yield func(string) bool) {
		for n := range count {
			if !sleep(ctx, period) || !yield(line(n)) {
				return
			}
		}
	}
	return chanio.FromSeq(numbers)
}

// channel is a goroutine that sends on a channel.
func channel(ctx context.Context, period time.Duration, count int) *chanio.Source[string] {
	ctx, cancel := context.WithCancel(ctx)
	numbers := make(chan string)
	go func() {
		defer close(numbers)
		for n := range count {
			if !sleep(ctx, period) {
				return
			}
			select {
			case numbers <- line(n):
			case <-ctx.Done():
				return
			}
		}
	}()
	return chanio.From(numbers, cancel)
}

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func line(n int) string { return strconv.Itoa(n) + "\n" }
