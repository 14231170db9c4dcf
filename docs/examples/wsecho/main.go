// Wsecho sends every WebSocket message back. Conformance suites can be run against it.
//
//	go run ./docs/examples/wsecho -addr localhost:7080
//
// In a browser's console: w = new WebSocket("ws://localhost:7080"); w.onmessage = m => console.log(m.data); then
// w.send("hello").
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"

	"github.com/weir-go/weir/codec/websocket"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers/httpd"
)

func main() {
	addr := flag.String("addr", "localhost:7080", "listen on `host:port`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Then every client receives 1001.
func run(ctx context.Context, addr string, out io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "listening on", ln.Addr())
	return httpd.New(handler(), &httpd.Config{Logger: slog.Default()}).Serve(ctx, ln)
}

// handler accepts compression if the client offers it. The limits suit conformance suites such as Autobahn's: messages
// of 16 MiB and of 65,536 fragments. The defaults are 1 MiB and 4,096.
func handler() http.Handler {
	cfg := &httpd.UpgradeConfig{Origins: []string{"*"}}
	cfg.WebSocket.Deflate = &websocket.Deflate{}
	cfg.WebSocket.MaxMessage, cfg.WebSocket.MaxFragments = 16<<20, 65536
	return httpd.WebSocket(echo, cfg)
}

// echo sends back what it receives.
func echo(ctx context.Context, conn *websocket.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out)
}
