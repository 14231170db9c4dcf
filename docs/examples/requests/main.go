// Requests receives HTTP requests from a channel shared by a few workers, beside ordinary handlers.
//
//	go run ./docs/examples/requests
//	curl -d 'some text' localhost:8080/jobs
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/servers/httpd"
)

const (
	workers = 4
	maxJob  = 1 << 20
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	jobs, reqs := httpd.Requests(nil)
	for range workers {
		go work(ctx, reqs.C(ctx))
	}
	fmt.Println("http://localhost:8080/jobs")
	if err := httpd.ListenAndServe(ctx, "localhost:8080", routes(jobs), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func routes(jobs http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /jobs", jobs)
	mux.Handle("GET /health", httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.Text("well\n"), nil
	}))
	return mux
}

// work answers requests until the channel is closed. While a request waits for a worker, its handler waits.
func work(ctx context.Context, jobs <-chan *httpd.Request) {
	for job := range jobs {
		text, err := chanio.ReadAll(ctx, job.In(), maxJob)
		if err != nil {
			job.Fail(err)
			continue
		}
		job.Reply(httpd.Text(fmt.Sprintln(len(strings.Fields(string(text))), "words")))
	}
}
