// Statsd receives metrics in the statsd format and prints a summary of each second: the sums of counters, the last
// values of gauges, the means of timers, and the number of distinct values of sets. A packet has one metric a line;
// malformed lines are counted and skipped.
//
//	go run ./docs/examples/statsd -addr :8125
//	go run ./docs/examples/statsd -addr localhost:8125 -send 'a:1|c'
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/servers"
)

func main() {
	addr := flag.String("addr", "localhost:8125", "listen on `host:port`")
	period := flag.Duration("period", time.Second, "print once in this `time`")
	metric := flag.String("send", "", "do not listen but report this `metric:value|type`")
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
	if err := conn.Out.Close(); !errors.Is(err, errors.ErrUnsupported) { // this side sends nothing; UDP cannot signal that
		return err
	}
	sums := rollups(conn.In, period)
	defer sums.Close() // also closes the socket, because both halves have ended
	for span := range sums.All(ctx) {
		if line := span.Value.String(); line != "" {
			fmt.Fprintln(out, line)
		}
	}
	if ctx.Err() != nil {
		return nil // ctx has ended
	}
	return sums.Err()
}

// report is the client: it sends one packet.
func report(ctx context.Context, addr, metric string) error {
	conn, err := clients.DialUDP(ctx, addr, nil)
	if err != nil {
		return err
	}
	return errors.Join(conn.Out.Send(ctx, chanio.Packet{Data: []byte(metric)}), conn.Close())
}
