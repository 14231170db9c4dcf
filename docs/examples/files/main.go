// Files serves a directory, compressed if the client supports that, and regions of one of its files.
//
//	go run ./docs/examples/files            # serves docs/examples/files/public
//	curl -i --compressed localhost:8080/
//	curl -r 2-5 localhost:8080/numbers.txt
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	dir := flag.String("dir", "docs/examples/files/public", "serve this `directory`")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := os.OpenRoot(dir) // no link in the directory leads out of it
	if err != nil {
		return err
	}
	defer root.Close()
	return httpd.ListenAndServe(ctx, "localhost:8080", routes(root), nil)
}

func routes(root *os.Root) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", httpd.Compress(httpd.Files(root.FS(), nil), nil))
	mux.Handle("GET /middle", httpd.Reply(func(context.Context, *http.Request) (httpd.Response, error) {
		return httpd.FileRegion(filepath.Join(root.Name(), "numbers.txt"), 4, 3)
	}))
	return mux
}
