// Proxyget fetches a URL through a proxy: HTTP, with or without TLS, SOCKS 4, 4a or 5, or the one configured in the
// environment.
//
//	go run ./docs/examples/proxyget -proxy socks5://user:password@localhost:1080 https://example.org/
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"

	"github.com/weir-go/weir/clients/httpc"
)

func main() {
	proxy := flag.String("proxy", "", "`URL` of the proxy; empty means the environment's, none means no proxy")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: proxyget [flags] URL")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := get(ctx, *proxy, flag.Arg(0), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func get(ctx context.Context, proxy, target string, out io.Writer) error {
	choose, err := choice(proxy)
	if err != nil {
		return err
	}
	c := httpc.New(&httpc.Config{Proxy: choose})
	defer c.Close()
	resp, err := c.Get(ctx, target)
	if err != nil {
		return err
	}
	defer resp.Close()
	_, err = io.Copy(out, resp.Reader(ctx))
	for _, s := range c.Stats() {
		fmt.Fprintln(os.Stderr, s.Target)
	}
	return err
}

// choice is the value of -proxy. nil means the environment's proxy.
func choice(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case "none":
		return httpc.Direct, nil
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return nil, fmt.Errorf("-proxy: %w", err)
	}
	return http.ProxyURL(u), nil
}
