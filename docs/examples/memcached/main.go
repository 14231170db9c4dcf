// Memcached is a client of a real memcached with its own codec for the meta protocol. It sets, gets, counts and
// deletes, and gets 1,000 keys, sending all commands before it reads the first reply.
//
//	memcached -p 11211 &
//	go run ./docs/examples/memcached -addr localhost:11211
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

func main() {
	addr := flag.String("addr", "localhost:11211", "`host:port` of a memcached")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the example.
func run(ctx context.Context, addr string, out io.Writer) error {
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	d := codec.Frame(conn, meta)
	for _, step := range []struct {
		command string
		block   string
	}{
		{"ms greeting", "hello"}, {"mg greeting v", ""}, {"ma count N0 J5 v", ""}, {"ma count v", ""},
		{"md greeting", ""}, {"mg greeting v", ""},
	} {
		if err := d.Out.Send(ctx, command(step.command, step.block)); err != nil {
			return err
		}
		answer, err := d.In.Recv(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s -> %s %s\n", step.command, answer.Words[0], answer.Block)
	}
	hits, err := pipelined(ctx, d, 1000)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, hits, "of 1000 keys found")
	return nil
}

// command returns the line of a command, with a block if it is an "ms".
func command(text, block string) line {
	l := line{Words: strings.Fields(text)}
	if l.Words[0] == "ms" {
		l.Block = []byte(block)
	}
	return l
}

// pipelined sets every other of n keys without replies ("q"), gets all of them, and counts the hits up to the reply to
// "mn", which comes last.
func pipelined(ctx context.Context, d *chanio.Duplex[line, line], n int) (hits int, err error) {
	sent := make(chan error, 1)
	go func() { sent <- sendAll(ctx, d.Out, n) }()
	for {
		answer, err := d.In.Recv(ctx)
		if err != nil {
			d.Out.Abort(err)
			<-sent
			return 0, err
		}
		switch answer.Words[0] {
		case "VA":
			hits++
		case "MN":
			return hits, <-sent
		}
	}
}

func sendAll(ctx context.Context, out *chanio.Sink[line], n int) error {
	for i := 0; i < n; i += 2 {
		key := "key" + strconv.Itoa(i)
		if err := out.Send(ctx, line{Words: []string{"ms", key, "q"}, Block: []byte(strconv.Itoa(i))}); err != nil {
			return err
		}
	}
	for i := range n {
		if err := out.Send(ctx, command("mg key"+strconv.Itoa(i)+" v", "")); err != nil {
			return err
		}
	}
	return out.Send(ctx, command("mn", ""))
}
