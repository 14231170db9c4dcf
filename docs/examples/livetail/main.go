// Livetail shows the lines of a log, a build or any other command in browsers, as they arrive.
//
//	tail -f /var/log/syslog | go run ./docs/examples/livetail -addr localhost:7083
//
// A browser that opens the page sees the last lines first. A browser that is too slow shows how many lines it has
// missed, and does not delay the others.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

//go:embed page.html
var page []byte

func main() {
	addr := flag.String("addr", "localhost:7083", "listen on `host:port`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// epoch is fixed, so that a browser can ask for all lines that are kept.
const epoch = "tail"

// run publishes the lines of in until it ends, and serves until ctx ends.
func run(ctx context.Context, addr string, in io.ReadCloser, out io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%v/\n", ln.Addr())
	lines := sse.NewTopic(&sse.TopicConfig{Ring: 1000, Epoch: epoch})
	defer lines.Close()
	read := make(chan error, 1)
	go func() { read <- publish(ctx, in, lines) }()
	err = httpd.New(handler(lines), &httpd.Config{Logger: slog.Default()}).Serve(ctx, ln)
	_ = in.Close() // makes a blocked read return
	<-read
	return err
}

// publish publishes every line.
func publish(ctx context.Context, in io.ReadCloser, lines *sse.Topic) error {
	src := codec.Decode(chanio.FromReader(in, in.Close), codec.Lines)
	return pipeline.ForEach(ctx, src, func(line string) error {
		_, err := lines.Publish(ctx, sse.Event{Data: line})
		return err
	})
}

// handler serves the page and the lines: those that are kept, then new ones.
func handler(lines *sse.Topic) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /lines", httpd.ServeTopic(lines, nil))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	return mux
}
