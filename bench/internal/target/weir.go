package target

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// Our servers. Each handler is one that a user would write, in one of three forms: pipeline.Connect, a loop of Recv and
// Send, or two channels.

func weirTargets() []Target {
	uncoalesced := &servers.Config{Conn: chanio.ConnConfig{Coalesce: -1}}
	return []Target{
		weir("weir raw Connect", "raw", nil, rawBy(pipeline.Connect)),
		weir("weir raw Recv/Send", "raw", nil, rawBy(loop)),
		weir("weir raw channels", "raw", nil, rawBy(channels)),
		weir("weir Connect", "u32", nil, framedBy(owned, pipeline.Connect)),
		weir("weir Recv/Send", "u32", nil, framedBy(owned, loop)),
		weir("weir channels", "u32", nil, framedBy(owned, channels)),
		weir("weir channel of batches", "u32", nil, framedBy(owned, batches)),
		weir("weir Connect uncoalesced", "u32", uncoalesced, framedBy(owned, pipeline.Connect)),
		weir("weir Recv/Send uncoalesced", "u32", uncoalesced, framedBy(owned, loop)),
		weir("weir channels uncoalesced", "u32", uncoalesced, framedBy(owned, channels)),
		weir("weir borrowed Connect", "u32", nil, framedBy(borrowed, pipeline.Connect)),
		weir("weir borrowed Recv/Send", "u32", nil, framedBy(borrowed, loop)),
		zeros(weir("weir typed Connect", "u32", nil, framedBy(typed, pipeline.Connect))),
		zeros(weir("weir typed Recv/Send", "u32", nil, framedBy(typed, loop))),
		zeros(weir("weir typed channels", "u32", nil, framedBy(typed, channels))),
		weir("weir wide Recv/Send", "u32", nil, framedBy(wide, loop)),
	}
}

// The codecs of the frames.
var (
	owned    = codec.Prefixed(codec.Uint32, codec.Bytes)
	borrowed = codec.Prefixed(codec.Uint32, codec.Borrowed)
	typed    = codec.Prefixed(codec.Uint32, codec.Codec[Count](countCodec{}))
	wide     = codec.Prefixed(codec.Uint32, codec.Codec[Wide](wideCodec{}))
)

type handler = func(ctx context.Context, conn *chanio.Conn) error

// form is a way to move values.
type form[T any] func(context.Context, *chanio.Source[T], *chanio.Sink[T]) error

func rawBy(echo form[[]byte]) handler {
	return func(ctx context.Context, conn *chanio.Conn) error { return echo(ctx, conn.In, conn.Out) }
}

func framedBy[T any](c codec.Codec[T], echo form[T]) handler {
	return func(ctx context.Context, conn *chanio.Conn) error {
		frames := codec.Frame(conn, c)
		return echo(ctx, frames.In, frames.Out)
	}
}

// loop moves values one by one.
func loop[T any](ctx context.Context, in *chanio.Source[T], out *chanio.Sink[T]) error {
	for {
		v, err := in.Recv(ctx)
		if err != nil {
			return err
		}
		if err := out.Send(ctx, v); err != nil {
			return err
		}
	}
}

// channels moves values from channel to channel.
func channels[T any](ctx context.Context, in *chanio.Source[T], out *chanio.Sink[T]) error {
	replies := out.C(ctx)
	for v := range in.C(ctx) {
		replies <- v
	}
	return in.Err()
}

// batches passes on, through one channel, all values that are at hand as one slice.
func batches[T any](ctx context.Context, in *chanio.Source[T], out *chanio.Sink[T]) error {
	ready := pipeline.ReadyChunks(in, 64)
	for vs := range ready.C(ctx) {
		if _, err := out.SendAll(ctx, vs...); err != nil {
			return err
		}
	}
	return ready.Err()
}

func weir(name, wire string, cfg *servers.Config, handle handler) Target {
	return Target{Name: name, Codec: wire, Start: func() (Running, error) {
		ln, err := servers.ListenTCP("127.0.0.1:0", cfg)
		return serveWeir(ln, err, handle)
	}}
}

func serveWeir(ln *servers.Listener, err error, handle handler) (Running, error) {
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &weirServer{ln: ln, cancel: cancel, served: make(chan error, 1)}
	go func() { w.served <- ln.Serve(ctx, handle) }()
	return w, nil
}

func zeros(t Target) Target {
	t.Zeros = true
	return t
}

// weirServer is a server of ours.
type weirServer struct {
	ln     *servers.Listener
	cancel context.CancelFunc
	served chan error
}

func (w *weirServer) Addr() net.Addr { return w.ln.Addr() }

func (w *weirServer) Close() error {
	w.cancel()
	if err := <-w.served; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("target: %w", err)
	}
	return nil
}
