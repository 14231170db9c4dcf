package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// Order is "3 apples" on the wire.
type Order struct {
	Count int
	Item  string
}

var orders = codec.Map(codec.Lines,
	func(line string) (o Order, err error) {
		_, err = fmt.Sscanf(line, "%d %s", &o.Count, &o.Item)
		return o, err
	},
	func(o Order) (string, error) { return fmt.Sprintf("%d %s", o.Count, o.Item), nil })

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ln, err := servers.ListenTCP("localhost:7000", &servers.Config{Logger: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	log.Println(ln)
	context.AfterFunc(ctx, func() {
		stop() // a second Ctrl-C ends the process
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = ln.Shutdown(late) // Serve returns when it is done
	})
	log.Println(ln.Serve(context.Background(), serve))
}

// serve sends all totals every ten seconds, and at the end.
func serve(ctx context.Context, c *chanio.Conn) error {
	d := codec.Frame(c, orders)
	in, totals, tick := d.In.C(ctx), map[string]int{}, time.Tick(10*time.Second)
	report := func() error {
		for item, count := range totals {
			if err := d.Out.Send(ctx, Order{count, item}); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		select {
		case order, ok := <-in:
			if !ok {
				if err := report(); err != nil {
					return err
				}
				return d.In.Err()
			}
			totals[order.Item] += order.Count
		case <-tick:
			if err := report(); err != nil {
				return err
			}
		}
	}
}
