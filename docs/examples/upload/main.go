// Upload receives the files of a form as streams: /store writes them to a directory, and /count counts their lines.
//
//	go run ./docs/examples/upload
//	curl -F note=hello -F file=@README.md localhost:8080/store
//	curl -F file=@README.md localhost:8080/count
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "upload-*")
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	fmt.Println("files go to", dir)
	return httpd.ListenAndServe(ctx, "localhost:8080", routes(root), nil)
}

func routes(root *os.Root) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /store", each(func(ctx context.Context, part *httpd.Part) (string, error) { return store(ctx, root, part) }))
	mux.HandleFunc("POST /count", each(count))
	return mux
}

// each returns a handler that replies with the result of f for every file of a form.
func each(f func(context.Context, *httpd.Part) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		httpd.Reply(func(ctx context.Context, r *http.Request) (httpd.Response, error) {
			parts, err := httpd.Multipart(w, r, nil)
			if err != nil {
				return httpd.Response{}, err
			}
			defer parts.Close()
			var said strings.Builder
			for part, err := range parts.Values(ctx) {
				if err != nil {
					return httpd.Response{}, err
				}
				if part.Source == nil {
					continue // a field with text
				}
				line, err := f(ctx, part)
				part.Release()
				if err != nil {
					return httpd.Response{}, err
				}
				fmt.Fprintln(&said, line)
			}
			return httpd.Text(said.String()), nil
		}).ServeHTTP(w, r)
	}
}

// store writes the file to the directory. A root rejects names that lead out of it.
func store(ctx context.Context, root *os.Root, part *httpd.Part) (string, error) {
	if part.FileName == "" {
		return "", &httpd.RequestError{Status: http.StatusBadRequest, Err: fmt.Errorf("file without a name")}
	}
	f, err := root.OpenFile(part.FileName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	disk := chanio.ToWriter(f, f.Close)
	n, err := chanio.Transfer(ctx, part.Source, disk)
	if err != nil {
		disk.Abort(err)
		return "", err
	}
	return fmt.Sprintf("%s: %d bytes", part.FileName, n), disk.Close()
}

// count counts the lines of a file.
func count(ctx context.Context, part *httpd.Part) (string, error) {
	lines := codec.Decode(part.Source, codec.Lines)
	n, err := pipeline.Reduce(ctx, lines, 0, func(n int, _ string) int { return n + 1 })
	return fmt.Sprintf("%s: %d lines", part.FileName, n), err
}
