// Rollup receives counts over TCP and prints the sums of each second, like a small statsd. A line is a name, a colon
// and a number.
//
//	go run ./docs/examples/rollup -addr :7003
//	printf 'a:1\nb:2\na:3\n' | nc -N localhost 7003
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	addr := flag.String("addr", "localhost:7003", "listen on `host:port`")
	period := flag.Duration("period", time.Second, "print once in this `time`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *period, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, period time.Duration, out io.Writer) error {
	ln, err := servers.ListenTCP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln)
	r := newRoller()
	err = chanio.Race(ctx,
		func(ctx context.Context) error { return ln.Serve(ctx, r.take) },
		func(ctx context.Context) error { return r.print(ctx, period, out) })
	if ctx.Err() != nil {
		return nil // ctx has ended
	}
	return err
}

// sample is one received line.
type sample struct {
	name string
	n    int
}

func parse(line string) (sample, error) {
	name, number, _ := strings.Cut(line, ":")
	n, err := strconv.Atoi(number)
	return sample{name, n}, err
}

// roller joins the samples of all connections.
type roller struct {
	samples *chanio.Source[sample]
	sink    *chanio.Sink[sample]
	clients atomic.Int64
}

func newRoller() *roller {
	r := &roller{}
	r.samples, r.sink = chanio.PipeOf[sample](64)
	return r
}

// take serves one connection. Its end leaves the sink open for the others.
func (r *roller) take(ctx context.Context, c *chanio.Conn) error {
	r.clients.Add(1)
	defer r.clients.Add(-1)
	samples := pipeline.MapErr(codec.Decode(c.In, codec.Lines), parse)
	return pipeline.ConnectWith(ctx, samples, r.sink, &pipeline.ConnectConfig{KeepSink: true})
}

// print prints the totals of every period, and every tenth period the number of clients. Output within a tenth of a
// period is written at once.
func (r *roller) print(ctx context.Context, period time.Duration, out io.Writer) error {
	totals := pipeline.Rollup(r.samples, period,
		func() map[string]int { return map[string]int{} },
		func(totals map[string]int, s sample) map[string]int { totals[s.name] += s.n; return totals })
	clients := pipeline.Periodically(10*period, func(time.Time) string {
		return fmt.Sprintln("clients:", r.clients.Load())
	})
	report := pipeline.Merge(ctx, pipeline.Map(totals, show), clients)
	return pipeline.ForEach(ctx, pipeline.Batch(report, 100, period/10), func(lines []string) error {
		_, err := io.WriteString(out, strings.Join(lines, ""))
		return err
	})
}

// show returns a line with the totals of a period, sorted by name.
func show(span pipeline.Span[map[string]int]) string {
	line := span.End.UTC().Format(time.TimeOnly)
	for _, name := range slices.Sorted(maps.Keys(span.Value)) {
		line += fmt.Sprintf(" %s=%d", name, span.Value[name])
	}
	return line + "\n"
}
