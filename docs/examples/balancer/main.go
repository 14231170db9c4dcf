// Balancer distributes TCP connections over several backends in turn, with health checks. At Ctrl-C or SIGTERM it stops
// accepting and gives open connections time to end.
//
//	go run ./docs/examples/balancer -addr :7000 -to localhost:8081,localhost:8082
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

// settings holds the flags.
type settings struct {
	addr  string
	to    []string
	every time.Duration // between health checks
	grace time.Duration // for open connections at shutdown
	log   *slog.Logger
}

func main() {
	s := settings{log: slog.Default()}
	flag.StringVar(&s.addr, "addr", "localhost:7000", "listen on `host:port`")
	to := flag.String("to", "localhost:8081,localhost:8082", "the backends, `host:port,...`")
	flag.DurationVar(&s.every, "check", 2*time.Second, "check each backend once in this `time`")
	flag.DurationVar(&s.grace, "grace", 10*time.Second, "wait this `time` for open connections at shutdown")
	flag.Parse()
	s.to = strings.Split(*to, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then waits for open connections, for the grace period at most.
func run(ctx context.Context, s settings, out io.Writer) error {
	ln, err := servers.ListenTCP(s.addr, &servers.Config{Logger: s.log})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	p := newPool(s.to, s.log)
	return chanio.Race(context.WithoutCancel(ctx),
		func(checking context.Context) error { return p.watch(checking, s.every) },
		func(context.Context) error { return serve(ctx, ln, p, s.grace) })
}

var errGrace = errors.New("balancer: the grace period is over")

// serve balances the connections of ln.
func serve(ctx context.Context, ln *servers.Listener, p *pool, grace time.Duration) error {
	over := make(chan struct{})
	var ending sync.WaitGroup
	ending.Go(func() {
		select {
		case <-ctx.Done():
		case <-over:
			return
		}
		_ = ln.Conns.Close() // stops accepting, and leaves open connections alone
		select {
		case <-over:
		case <-time.After(grace):
			expired, cancel := context.WithCancelCause(context.Background())
			cancel(errGrace)
			_ = ln.Shutdown(expired) // aborts the remaining connections
		}
	})
	err := ln.Serve(context.Background(), p.pass)
	close(over)
	ending.Wait()
	return err
}

// pass relays one connection to a backend that accepts it.
func (p *pool) pass(ctx context.Context, client *chanio.Conn) error {
	server, err := p.dial(ctx)
	if err != nil {
		client.Abort(err) // so that it does not look like an empty reply
		return err
	}
	defer server.Close()
	return chanio.Relay(ctx, client, server)
}

// dial connects to the next backend that accepts. It tries each once, those known to be down last.
func (p *pool) dial(ctx context.Context) (*chanio.Conn, error) {
	var failed error
	for _, b := range p.order() {
		c, err := clients.DialTCP(ctx, b.addr, &clients.Config{Timeout: 3 * time.Second})
		if ctx.Err() != nil && err != nil { // which says nothing about b
			return nil, err
		}
		p.note(b, err)
		if err == nil {
			return c, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}
