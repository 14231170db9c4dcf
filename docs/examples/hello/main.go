// Hello is the shortest HTTP server: a standard mux, and replies as values.
//
//	go run ./docs/examples/hello
//	curl localhost:8080/hello
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"

	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("http://localhost:8080/hello")
	if err := httpd.ListenAndServe(ctx, "localhost:8080", routes(), nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /hello", httpd.Reply(hello))
	mux.Handle("/", httpd.Reply(noSuchPage))
	return mux
}

func hello(context.Context, *http.Request) (httpd.Response, error) {
	return httpd.Text("hello world!\n"), nil
}

func noSuchPage(context.Context, *http.Request) (httpd.Response, error) {
	return httpd.Text("No such page.\n").WithStatus(http.StatusNotFound), nil
}
