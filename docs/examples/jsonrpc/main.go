// Jsonrpc is JSON-RPC 2.0 in length-prefixed frames, with a type for each direction: the server receives requests and
// sends responses.
//
//	go run ./docs/examples/jsonrpc             # starts a server and calls it
//	go run ./docs/examples/jsonrpc -addr :7003 # serves until Ctrl-C
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// request is a call, or without an ID a notification, which gets no response.
type request struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method"`
	Params  []float64       `json:"params,omitempty"`
}

// response answers a call with a result or a failure.
type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  *float64        `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// The frames of each direction:
//
//	+----+----+----+----+----+----+-- ... --+----+
//	| 00 | 00 | 00 | 28 | 7b | 22 |         | 7d |
//	+----+----+----+----+----+----+-- ... --+----+
//	  length of the JSON   {    "    ...        }
var (
	requests  = codec.Prefixed(codec.Uint32, codec.JSON[request](), codec.Max(1<<20))
	responses = codec.Prefixed(codec.Uint32, codec.JSON[response](), codec.Max(1<<20))
)

func main() {
	addr := flag.String("addr", "", "serve on `host:port` until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves on addr, or demonstrates a server and a client.
func run(ctx context.Context, addr string, out io.Writer) error {
	if addr == "" {
		return demonstrate(ctx, out)
	}
	ln, err := servers.ListenTCP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	return ln.Serve(ctx, serve)
}

// serve serves one connection.
func serve(ctx context.Context, conn *chanio.Conn) error {
	d := codec.FrameBoth(conn, requests, responses)
	calls := pipeline.Filter(d.In, func(r request) bool { return r.ID != nil })
	return pipeline.Connect(ctx, pipeline.Map(calls, answer), d.Out)
}

// answer executes one call.
func answer(r request) response {
	reply := response{Version: "2.0", ID: r.ID}
	switch {
	case r.Version != "2.0":
		reply.Error = &failure{-32600, "not a JSON-RPC 2.0 request"}
	case r.Method == "sum":
		sum := 0.0
		for _, n := range r.Params {
			sum += n
		}
		reply.Result = &sum
	default:
		reply.Error = &failure{-32601, "no method " + r.Method}
	}
	return reply
}

// demonstrate starts a server on a free port and calls it.
func demonstrate(ctx context.Context, out io.Writer) error {
	ln, err := servers.ListenTCP("localhost:0", nil)
	if err != nil {
		return err
	}
	return chanio.Race(ctx,
		func(ctx context.Context) error { return ln.Serve(ctx, serve) },
		func(ctx context.Context) error { return call(ctx, ln.Addr().String(), out) })
}

// call is the client, with the codecs in the opposite directions.
func call(ctx context.Context, addr string, out io.Writer) error {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	d := codec.FrameBoth(conn, responses, requests)
	for _, r := range []request{
		{Version: "2.0", Method: "log"}, // a notification: no answer
		{Version: "2.0", ID: json.RawMessage("1"), Method: "sum", Params: []float64{1, 2, 3.5}},
		{Version: "2.0", ID: json.RawMessage(`"b"`), Method: "divide"},
	} {
		if err := d.Out.Send(ctx, r); err != nil {
			return err
		}
	}
	for range 2 {
		reply, err := d.In.Recv(ctx)
		if err != nil {
			return err
		}
		if reply.Error != nil {
			fmt.Fprintf(out, "%s: error %d, %s\n", reply.ID, reply.Error.Code, reply.Error.Message)
		} else {
			fmt.Fprintf(out, "%s: %v\n", reply.ID, *reply.Result)
		}
	}
	return nil
}
