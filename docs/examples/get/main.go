// Get fetches a URL in four ways: at once, as a future, line by line, or as a stream of bytes.
//
//	go run ./docs/examples/get http://localhost:8080/
//	go run ./docs/examples/get -how lines http://localhost:8080/numbers
//	go run ./docs/examples/get -ca ca.pem -cert client.pem -key client.key https://localhost:8443/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/future"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
)

func main() {
	how := flag.String("how", "text", "text, future, lines or bytes")
	var secure clients.TLSConfig
	flag.StringVar(&secure.RootCAFile, "ca", "", "trust the authorities in this `file` instead of the system's")
	flag.StringVar(&secure.CertFile, "cert", "", "authenticate with the certificate in this `file`")
	flag.StringVar(&secure.KeyFile, "key", "", "and the private key in this `file`")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: get [flags] URL")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := httpc.New(&httpc.Config{Connect: clients.Config{TLS: &secure}})
	defer c.Close()
	if err := get(ctx, c, *how, flag.Arg(0), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ways are the values of -how.
var ways = map[string]func(ctx context.Context, c *httpc.Client, url string, out io.Writer) error{
	"text": getText, "future": getFuture, "lines": getLines, "bytes": getBytes,
}

func get(ctx context.Context, c *httpc.Client, how, url string, out io.Writer) error {
	way := ways[how]
	if way == nil {
		return fmt.Errorf("-how %s: must be text, future, lines or bytes", how)
	}
	return way(ctx, c, url, out)
}

// getText waits for the whole body.
func getText(ctx context.Context, c *httpc.Client, url string, out io.Writer) error {
	resp, err := c.Get(ctx, url)
	if err != nil {
		return err
	}
	text, err := resp.Text(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

// getFuture does something else while the request runs.
func getFuture(ctx context.Context, c *httpc.Client, url string, out io.Writer) error {
	length := future.Then(c.Go(ctx, &httpc.Request{URL: url}), func(r *httpc.Response) (string, error) {
		defer r.Close()
		return fmt.Sprintf("%d, %d bytes", r.Status, r.ContentLength), nil
	})
	fmt.Fprintln(out, "asked")
	text, err := length.Await(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// getLines prints each line when it arrives.
func getLines(ctx context.Context, c *httpc.Client, url string, out io.Writer) error {
	resp, err := c.Get(ctx, url)
	if err != nil {
		return err
	}
	defer resp.Close()
	lines := resp.Lines()
	for line := range lines.All(ctx) {
		fmt.Fprintln(out, line)
	}
	return lines.Err()
}

// getBytes copies the body as it arrives, at the speed of out.
func getBytes(ctx context.Context, c *httpc.Client, url string, out io.Writer) error {
	resp, err := c.Get(ctx, url)
	if err != nil {
		return err
	}
	defer resp.Close()
	_, err = chanio.Transfer(ctx, resp.Body, chanio.ToWriter(out))
	return err
}
