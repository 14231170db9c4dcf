// Fanout sends every line of its standard input to several TCP servers. The first server gets all lines and sets the
// pace. Each of the others has a queue of a hundred lines. A server that is too slow loses the oldest lines, and
// receives their number in their place.
//
//	tail -f access.log | go run ./docs/examples/fanout -v archive:7004 display:7004 pager:7004
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

func main() {
	verbose := flag.Bool("v", false, "print the pipelines at the end")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: fanout [flags] host:port...")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report := io.Discard
	if *verbose {
		report = os.Stderr
	}
	if err := run(ctx, os.Stdin, report, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run sends the lines of in to the servers at addrs.
func run(ctx context.Context, in io.Reader, report io.Writer, addrs []string) error {
	var dsts []*chanio.Sink[string]
	for _, addr := range addrs {
		conn, err := clients.DialTCP(ctx, addr, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		dsts = append(dsts, codec.Frame(conn, codec.Lines).Out)
	}
	return fan(ctx, codec.Decode(chanio.FromReader(in), codec.Lines), report, addrs, dsts)
}

// fan sends each line to all of dsts. It returns when all have received their lines, or when the first fails.
func fan(
	ctx context.Context, lines *chanio.Source[string], report io.Writer, names []string, dsts []*chanio.Sink[string],
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	branches := pipeline.TeeWith(ctx, lines, queues(names)...)
	var all sync.WaitGroup
	for i, branch := range branches {
		all.Go(func() {
			if err := pipeline.Connect(ctx, branch, dsts[i]); err != nil && i == 0 {
				cancel(fmt.Errorf("%s: %w", names[i], err))
			}
		})
	}
	all.Wait()
	for _, branch := range branches {
		fmt.Fprint(report, pipeline.Tree(branch.Describe()))
	}
	return context.Cause(ctx)
}

// queues returns the queue of each destination.
func queues(names []string) []*pipeline.Queue[string] {
	var all []*pipeline.Queue[string]
	for i, name := range names {
		q := &pipeline.Queue[string]{Name: name, Size: 100}
		if i > 0 {
			q.Policy = pipeline.DropOldest
			q.Mark = func(lost uint64) string { return fmt.Sprintf("(%d lines lost)", lost) }
		}
		all = append(all, q)
	}
	return all
}
