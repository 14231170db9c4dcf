// Statsd takes packets with a metric and a number from the whole system, and once a second prints the sum of each
// metric in that second. A packet is a name, a colon and a number; what is not is counted and skipped.
//
//	go run ./docs/examples/statsd -addr :10002
//	go run ./docs/examples/statsd -addr localhost:10002 -send a:1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

func main() {
	addr := flag.String("addr", "localhost:10002", "listen on `host:port`")
	period := flag.Duration("period", time.Second, "print once in this `time`")
	metric := flag.String("send", "", "do not listen but report this `metric:number`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *metric != "" {
		err = report(ctx, *addr, *metric)
	} else {
		err = run(ctx, *addr, *period, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, period time.Duration, out io.Writer) error {
	conn, err := servers.ListenUDP(addr, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, conn)
	if err := conn.Out.Close(); !errors.Is(err, errors.ErrUnsupported) { // nothing is sent, and UDP cannot say so
		return err
	}
	sums := rollups(conn.In, period)
	defer sums.Close() // closes the socket too: it is the end of both halves
	for span := range sums.All(ctx) {
		if line := span.Value.String(); line != "" {
			fmt.Fprintln(out, line)
		}
	}
	if ctx.Err() != nil {
		return nil // as it was told
	}
	return sums.Err()
}

// totals are what came in one period.
type totals struct {
	sums      map[string]int64
	malformed int // packets
}

// rollups sums up the packets of every period, and begins anew. Closing it closes packets.
func rollups(packets *chanio.Source[chanio.Packet], period time.Duration) *chanio.Source[pipeline.Span[totals]] {
	return pipeline.Rollup(packets, period,
		func() totals { return totals{sums: map[string]int64{}} },
		func(t totals, p chanio.Packet) totals {
			name, n, err := parse(p.Data)
			if err != nil {
				t.malformed++
			} else {
				t.sums[name] += n
			}
			return t
		})
}

// parse takes a packet apart.
func parse(data []byte) (name string, n int64, err error) {
	name, number, ok := strings.Cut(string(data), ":")
	if !ok || name == "" {
		return "", 0, fmt.Errorf("a metric is name:number, got %q", data)
	}
	n, err = strconv.ParseInt(number, 10, 64)
	return name, n, err
}

// String lists the totals by name; it is empty if nothing came.
func (t totals) String() string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(t.sums)) {
		words = append(words, fmt.Sprintf("%s=%d", name, t.sums[name]))
	}
	if t.malformed > 0 {
		words = append(words, fmt.Sprintf("(%d malformed)", t.malformed))
	}
	return strings.Join(words, " ")
}

// report is the other side: it sends one packet.
func report(ctx context.Context, addr, metric string) error {
	conn, err := clients.DialUDP(ctx, addr, nil)
	if err != nil {
		return err
	}
	return errors.Join(conn.Out.Send(ctx, chanio.Packet{Data: []byte(metric)}), conn.Close())
}
