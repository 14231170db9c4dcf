// Rpc is a server that handles several calls of a connection concurrently, and a client that many goroutines share.
// Each call has a timeout, replies come in any order, and the client reconnects after the server was away.
//
//	go run ./docs/examples/rpc                                  # a server, calls, the server away, calls again
//	go run ./docs/examples/rpc -addr :7004                      # serves until Ctrl-C
//	go run ./docs/examples/rpc -call localhost:7004 upper hello # one call
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// request and reply are frames of JSON with a length of 4 bytes. ID matches them.
type request struct {
	ID     uint64 `json:"id"`
	Method string `json:"method"`
	Arg    string `json:"arg"`
}

type reply struct {
	ID     uint64 `json:"id"`
	Result string `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

var (
	requests = codec.Prefixed(codec.Uint32, codec.JSON[request](), codec.Max(1<<20))
	replies  = codec.Prefixed(codec.Uint32, codec.JSON[reply](), codec.Max(1<<20))
	tags     = &clients.CallerTags[reply, request]{
		Tag: func(r request, id uint64) request { r.ID = id; return r },
		ID:  func(r reply) uint64 { return r.ID },
	}
)

func main() {
	addr := flag.String("addr", "", "serve on `host:port` until Ctrl-C")
	to := flag.String("call", "", "call the server at `host:port`: method and argument follow")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *addr != "":
		err = run(ctx, *addr, os.Stdout)
	case *to != "":
		err = callOnce(ctx, *to, flag.Arg(0), flag.Arg(1), os.Stdout)
	default:
		err = demonstrate(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, out io.Writer) error {
	ln, err := servers.ListenTCP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, serve)
}

// serve handles up to 8 calls of a connection at once and replies in the order in which they finish.
func serve(ctx context.Context, conn *chanio.Conn) error {
	d := codec.FrameBoth(conn, requests, replies)
	return pipeline.Connect(ctx, pipeline.MapUnordered(ctx, d.In, 8, answer), d.Out)
}

// answer executes one call.
func answer(ctx context.Context, r request) (reply, error) {
	switch r.Method {
	case "upper":
		return reply{ID: r.ID, Result: strings.ToUpper(r.Arg)}, nil
	case "sleep":
		d, err := time.ParseDuration(r.Arg)
		if err != nil {
			return reply{ID: r.ID, Error: err.Error()}, nil
		}
		select {
		case <-time.After(d):
			return reply{ID: r.ID, Result: "slept " + r.Arg}, nil
		case <-ctx.Done():
			return reply{}, context.Cause(ctx)
		}
	}
	return reply{ID: r.ID, Error: "no method " + r.Method}, nil
}

// client returns a client of the server at addr. It dials at the first call. A call takes at most 5 s, including the
// dial.
func client(addr string) *clients.Client[reply, request] {
	dial := func(ctx context.Context) (*chanio.Conn, error) { return clients.DialTCP(ctx, addr, nil) }
	return clients.NewClient(dial, replies, requests, &clients.ClientConfig[reply, request]{
		Tags: tags, Timeout: 5 * time.Second,
		Reconnect: clients.ReconnectConfig{Backoff: clients.ExponentialBackoff(10*time.Millisecond, time.Second, 0.5)},
	})
}

// call calls a method and returns its result.
func call(ctx context.Context, c *clients.Client[reply, request], method, arg string) (string, error) {
	r, err := c.Call(ctx, request{Method: method, Arg: arg})
	if err == nil && r.Error != "" {
		err = errors.New(r.Error)
	}
	return r.Result, err
}

func callOnce(ctx context.Context, addr, method, arg string, out io.Writer) error {
	c := client(addr)
	defer c.Close()
	result, err := call(ctx, c, method, arg)
	if err == nil {
		fmt.Fprintln(out, result)
	}
	return err
}
