package codec

import (
	"context"
	"net/netip"

	"github.com/weir-go/weir/chanio"
)

// Message is the value of a datagram, and whom it came from or goes to.
type Message[T any] struct {
	Addr  netip.AddrPort // as in a [chanio.Packet]
	Value T
}

// Packets returns a conversation in datagrams as one in values of c, each of which fills a datagram from its first byte
// to its last. Closing it closes d.
//
// Anybody can send a datagram, so one that is not a value of c ends nothing: it is skipped, after bad was called with
// it and an [*Error], in the goroutine of the receiver. A nil bad skips it silently. A value that c cannot encode, or
// that is too large for a datagram, is refused by Send, which leaves the rest as it was. Nothing is started.
func Packets[T any](
	d *chanio.Duplex[chanio.Packet, chanio.Packet], c Codec[T], bad func(p chanio.Packet, err error),
) *chanio.Duplex[Message[T], Message[T]] {
	notNil(c, "Packets")
	if bad == nil {
		bad = func(chanio.Packet, error) {}
	}
	return &chanio.Duplex[Message[T], Message[T]]{Out: encodePackets(d.Out, c), In: decodePackets(d.In, c, bad), Released: d.Released}
}

func decodePackets[T any](
	in *chanio.Source[chanio.Packet], c Codec[T], bad func(chanio.Packet, error),
) *chanio.Source[Message[T]] {
	up := in.Claim("codec.Packets")
	return chanio.NewSource(chanio.SourceHooks[Message[T]]{
		Next: func(ctx context.Context) (m Message[T], err error) {
			for {
				p, err := up.Next(ctx)
				if err != nil {
					return m, err
				}
				if m.Value, err = Unmarshal(c, p.Data); err == nil {
					m.Addr = p.Addr
					return m, nil
				}
				bad(p, err)
			}
		},
		Close: up.Close,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "codec.Packets", Upstream: []chanio.Description{up.Describe()}}
		},
	})
}

func encodePackets[T any](out *chanio.Sink[chanio.Packet], c Codec[T]) *chanio.Sink[Message[T]] {
	e := packetEncoder[T]{out, c}
	return chanio.NewSink(chanio.SinkHooks[Message[T]]{
		Send: e.send, TrySend: e.trySend, Flush: out.Flush, Close: out.Close, Abort: out.Abort, Cork: out.Cork, End: out.End(),
	})
}

type packetEncoder[T any] struct {
	out *chanio.Sink[chanio.Packet]
	c   Codec[T]
}

func (e packetEncoder[T]) send(ctx context.Context, m Message[T]) error {
	data, err := Marshal(e.c, m.Value)
	if err != nil {
		return err
	}
	return e.out.Send(ctx, chanio.Packet{Addr: m.Addr, Data: data})
}

func (e packetEncoder[T]) trySend(m Message[T]) (bool, error) {
	data, err := Marshal(e.c, m.Value)
	if err != nil {
		return false, err
	}
	return e.out.TrySend(chanio.Packet{Addr: m.Addr, Data: data})
}
