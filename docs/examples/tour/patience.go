package main

import (
	"context"
	"errors"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
)

// visitPatience cancels a receive in the middle of a frame, and later receives the whole frame.
func visitPatience(ctx context.Context, t *tour) error {
	frame, err := codec.Marshal(protocol, 1234567890)
	if err != nil {
		return err
	}
	addr, err := t.serve(ctx, "halves", func(ctx context.Context, c *chanio.Conn) error {
		if err := c.Out.Send(ctx, frame[:9]); err != nil {
			return err
		}
		if _, err := c.In.Recv(ctx); err != nil { // until the client wants the rest
			return err
		}
		return c.Out.Send(ctx, frame[9:])
	})
	if err != nil {
		return err
	}
	conn, err := clients.DialTCP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	numbers := codec.Decode(conn.In, protocol)

	impatient, cancel := context.WithTimeoutCause(ctx, 20*time.Millisecond, errors.New("no patience left"))
	defer cancel()
	_, err = numbers.Recv(impatient)
	t.say("client", "Recv returns: %v", err)
	if err := conn.Out.Send(ctx, []byte("go on")); err != nil {
		return err
	}
	n, err := numbers.Recv(ctx)
	t.say("client", "Recv returns: %v", n)
	return err
}
