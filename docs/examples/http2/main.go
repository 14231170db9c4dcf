// Http2 sends three requests over one connection: the slowest comes first and is answered last. A fourth reply has a
// trailer with the sum of its lines. Client and server negotiate HTTP/2 in the TLS handshake.
//
//	go run ./docs/examples/http2
//
// With -serve the server runs until it is interrupted:
//
//	curl -k --no-buffer https://localhost:8443/numbers https://localhost:8443/after/1s
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/clients/httpc"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
	"github.com/weir-go/weir/servers/httpd"
	"golang.org/x/sync/errgroup"
)

func main() {
	forever := flag.Bool("serve", false, "serve until interrupted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ask := visit
	if *forever {
		ask = func(ctx context.Context, _ string, _ *httpc.Client, _ io.Writer) error {
			<-ctx.Done()
			return nil
		}
	}
	ln, err := net.Listen("tcp", "localhost:8443")
	if err == nil {
		err = run(ctx, ln, nil, os.Stdout, ask)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves on ln while ask makes requests.
func run(ctx context.Context, ln net.Listener, dial clients.DialFunc, out io.Writer, ask func(context.Context, string, *httpc.Client, io.Writer) error) error {
	cert, authority, err := servers.SelfSigned("localhost")
	if err != nil {
		return err
	}
	cfg := &httpd.Config{Listen: servers.Config{TLS: &servers.TLSConfig{Certificates: []tls.Certificate{cert}}}}
	serving := func(ctx context.Context) error { return httpd.New(routes(), cfg).Serve(ctx, ln) }
	return chanio.Race(ctx, serving, func(ctx context.Context) error {
		client := newClient(authority, dial)
		defer func() { _ = client.Close() }()
		return ask(ctx, "https://localhost:8443", client, out)
	})
}

func newClient(authority *x509.CertPool, dial clients.DialFunc) *httpc.Client {
	return httpc.New(&httpc.Config{
		Connect: clients.Config{TLS: &clients.TLSConfig{RootCAs: authority}}, Dial: dial, Proxy: httpc.Direct,
	})
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /after/{time}", httpd.Reply(after))
	mux.Handle("GET /numbers", httpd.Reply(numbers))
	return mux
}

// after replies after some time with the number of the request's stream.
func after(ctx context.Context, r *http.Request) (httpd.Response, error) {
	d, err := time.ParseDuration(r.PathValue("time"))
	if err != nil {
		return httpd.Response{}, &httpd.RequestError{Status: http.StatusBadRequest, Err: err}
	}
	select {
	case <-time.After(d):
	case <-ctx.Done(): // the client has reset the stream
		return httpd.Response{}, ctx.Err()
	}
	info, _ := httpd.Info(r)
	return httpd.Text(fmt.Sprintf("after %v: %s, stream %d", d, info.Protocol, info.StreamID)), nil
}

// numbers sends lines and then a trailer with their sum.
func numbers(context.Context, *http.Request) (httpd.Response, error) {
	sum := 0
	lines := pipeline.Map(chanio.FromSlice([]int{1, 2, 3, 4}), func(n int) string {
		sum += n
		return strconv.Itoa(n) + "\n"
	})
	return httpd.TextStream(lines).WithTrailer("Sum", func() string { return strconv.Itoa(sum) }), nil
}

// visit makes four requests.
func visit(ctx context.Context, url string, client *httpc.Client, out io.Writer) error {
	if err := show(ctx, client, url+"/after/0s", out); err != nil { // opens the connection
		return err
	}
	said := make(chan string)
	var all errgroup.Group
	for _, d := range []string{"300ms", "200ms", "100ms"} {
		all.Go(func() error {
			text, err := get(ctx, client, url+"/after/"+d)
			said <- text
			return err
		})
	}
	for range 3 {
		fmt.Fprintln(out, <-said)
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return show(ctx, client, url+"/numbers", out)
}

func show(ctx context.Context, client *httpc.Client, url string, out io.Writer) error {
	resp, err := client.Get(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Close() }()
	for line := range resp.Lines().All(ctx) {
		fmt.Fprintln(out, line)
	}
	if sum := resp.Trailer().Get("Sum"); sum != "" {
		fmt.Fprintln(out, "sum", sum)
	}
	return resp.Err()
}

func get(ctx context.Context, client *httpc.Client, url string) (string, error) {
	resp, err := client.Get(ctx, url)
	if err != nil {
		return "", err
	}
	return resp.Text(ctx)
}
