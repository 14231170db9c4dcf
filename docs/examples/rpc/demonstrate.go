package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weir-go/weir/servers"
)

// demonstrate calls a server, stops it, and calls the next one on the same port.
func demonstrate(ctx context.Context, out io.Writer) error {
	first, stop, err := start("localhost:0")
	if err != nil {
		return err
	}
	defer stop()
	addr := first.Addr().String()
	c := client(addr)
	defer c.Close()
	for _, m := range [][2]string{{"upper", "hello"}, {"divide", "1/0"}} {
		result, err := call(ctx, c, m[0], m[1])
		fmt.Fprintf(out, "%s %s: %q %v\n", m[0], m[1], result, err)
	}
	late, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = call(late, c, "sleep", "10s")
	fmt.Fprintln(out, "sleep 10s, with 20 ms for it:", err)

	stop() // the server stops
	_, stop, err = start(addr)
	if err != nil {
		return err
	}
	defer stop()
	result, err := call(ctx, c, "upper", "hello again")
	if err != nil { // sent over the old connection, whose end was not noticed yet: to ask for this twice does no harm
		result, err = call(ctx, c, "upper", "hello again")
	}
	fmt.Fprintf(out, "after a new start: %q %v\n", result, err)
	return err
}

// start starts a server. stop ends it without waiting for calls in progress.
func start(addr string) (ln *servers.Listener, stop func(), err error) {
	if ln, err = servers.ListenTCP(addr, nil); err != nil {
		return nil, nil, err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := ln.Serve(context.Background(), serve); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return ln, func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("stopped"))
		_ = ln.Shutdown(ctx)
		<-over
	}, nil
}
