package main

import (
	"context"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/servers"
)

// visitTelephone connects two clients through a server that waits for both of them at once.
func visitTelephone(ctx context.Context, t *tour) error {
	ln, err := servers.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	t.announce("telephone", ln)
	t.group.Go(func() error {
		defer ln.Close()
		return exchange(ctx, ln)
	})
	alice, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer alice.Close()
	bob, err := clients.DialTCP(ctx, ln.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer bob.Close()
	a, b := codec.Frame(alice, codec.Lines), codec.Frame(bob, codec.Lines)
	a.Out.C(ctx) <- "hello, who is there?"
	t.say("bob", "hears %q", <-b.In.C(ctx))
	b.Out.C(ctx) <- "it is me"
	t.say("alice", "hears %q", <-a.In.C(ctx))
	close(a.Out.C(ctx))
	_, ok := <-b.In.C(ctx)
	t.say("bob", "hears that alice has hung up: %v", !ok)
	return b.In.Err()
}

// exchange connects each caller with the next one.
func exchange(ctx context.Context, ln *servers.Listener) error {
	var waiting *chanio.Conn
	for caller := range ln.Conns.C(ctx) {
		if waiting == nil {
			waiting = caller
			continue
		}
		talk(ctx, codec.Frame(waiting, codec.Lines), codec.Frame(caller, codec.Lines))
		waiting = nil
	}
	if waiting != nil {
		waiting.Out.Abort(nil)
	}
	return nil // ctx has ended
}

// talk relays the lines of both callers until one of them hangs up.
func talk(ctx context.Context, a, b *chanio.Duplex[string, string]) {
	defer a.Close()
	defer b.Close()
	for {
		select {
		case line, ok := <-a.In.C(ctx):
			if !ok {
				return
			}
			b.Out.C(ctx) <- line
		case line, ok := <-b.In.C(ctx):
			if !ok {
				return
			}
			a.Out.C(ctx) <- line
		}
	}
}
