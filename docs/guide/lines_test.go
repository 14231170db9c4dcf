package guide

import (
	"context"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// What the README and the guide quote that is no program is here, so that it compiles.

type Order struct{ Item string }

var orderCodec = codec.JSON[Order]()

func handle(chunk []byte)                           {}
func talk(ctx context.Context, conn *chanio.Conn)   {}
func use(words *chanio.Source[[]string], o *orders) {}

type orders = chanio.Duplex[Order, Order]

var (
	_ = views
	_ = echo
	_ = stages
	_ = accept
	_ = dial
)

func views(ctx context.Context, conn *chanio.Conn, reply []byte) {
	for chunk := range conn.In.C(ctx) { // a channel: range over it, select on it
		handle(chunk)
	}
	out := conn.Out.C(ctx) // a channel to send on
	out <- reply
}

func echo(ctx context.Context, conn *chanio.Conn) error {
	return pipeline.Connect(ctx, conn.In, conn.Out) // echo, at the speed of a hand-written loop
}

func stages(conn, other *chanio.Conn) {
	words := pipeline.Map(codec.Decode(conn.In, codec.Lines), strings.Fields) // no goroutine yet
	orders := codec.Frame(other, orderCodec)                                  // a Duplex[Order, Order]; its Close closes other
	use(words, orders)
}

func accept(ctx context.Context, ln *servers.Listener) {
	for conn := range ln.Conns.C(ctx) { // connections are a channel too
		go talk(ctx, conn) // closes conn
	}
}

func dial(ctx context.Context) error {
	conn, err := clients.DialTCP(ctx, "localhost:7000", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	orders := codec.Frame(conn, orderCodec)
	if err := orders.Out.Send(ctx, Order{"apples"}); err != nil {
		return err
	}
	order, err := orders.In.Recv(ctx)
	if err != nil {
		return err
	}
	_ = order
	return nil
}
