package codec

import (
	"context"
	"net/netip"

	"github.com/weir-go/weir/chanio"
)

// Addressed is the value of a datagram and the address of the peer.
type Addressed[T any] struct {
	Addr  netip.AddrPort // as in a [chanio.Packet]
	Value T
}

// Packets returns a conversation in datagrams as one in values of c, each of which fills a datagram from its first byte
// to its last. Closing it closes d.
//
// Anyone can send a datagram, so one that does not decode ends nothing: it is skipped, after bad was called with it and
// an [*Error], in the goroutine of the receiver. A nil bad skips it silently. A value that c cannot encode, or that is
// too large for a datagram, is refused by Send, which leaves the rest as it was. Nothing is started.
func Packets[T any](
	d *chanio.Duplex[chanio.Packet, chanio.Packet], c Codec[T], bad func(p chanio.Packet, err error),
) *chanio.Duplex[Addressed[T], Addressed[T]] {
	notNil(c, "Packets")
	if bad == nil {
		bad = func(chanio.Packet, error) {}
	}
	return &chanio.Duplex[Addressed[T], Addressed[T]]{Out: encodePackets(d.Out, c), In: decodePackets(d.In, c, bad), Released: d.Released}
}

func decodePackets[T any](
	in *chanio.Source[chanio.Packet], c Codec[T], bad func(chanio.Packet, error),
) *chanio.Source[Addressed[T]] {
	up := in.Claim("codec.Packets")
	value := func(p chanio.Packet) (m Addressed[T], ok bool) {
		v, err := Unmarshal(c, p.Data)
		if err != nil {
			bad(p, err)
		}
		return Addressed[T]{p.Addr, v}, err == nil
	}
	return chanio.NewSource(chanio.SourceHooks[Addressed[T]]{
		Next: func(ctx context.Context) (m Addressed[T], err error) {
			for {
				p, err := up.Next(ctx)
				if err != nil {
					return m, err
				}
				if m, ok := value(p); ok {
					return m, nil
				}
			}
		},
		TryNext: func() (m Addressed[T], ok bool, err error) {
			for {
				p, ok, err := up.TryNext()
				if !ok {
					return m, false, err
				}
				if m, ok := value(p); ok {
					return m, true, nil
				}
			}
		},
		Close: up.Close, Borrowed: up.Borrowed() || SizeOf(c).borrows,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "codec.Packets", Upstream: []chanio.Description{up.Describe()}}
		},
	})
}

func encodePackets[T any](out *chanio.Sink[chanio.Packet], c Codec[T]) *chanio.Sink[Addressed[T]] {
	packet := func(m Addressed[T]) (chanio.Packet, error) {
		data, err := Marshal(c, m.Value)
		return chanio.Packet{Addr: m.Addr, Data: data}, err
	}
	return chanio.NewSink(chanio.SinkHooks[Addressed[T]]{
		Send: func(ctx context.Context, m Addressed[T]) error {
			p, err := packet(m)
			if err != nil {
				return err
			}
			return out.Send(ctx, p)
		},
		TrySend: func(m Addressed[T]) (bool, error) {
			p, err := packet(m)
			if err != nil {
				return false, err
			}
			return out.TrySend(p)
		},
		Flush: out.Flush, Close: out.Close, Abort: out.Abort, Cork: out.Cork, End: out.End(),
	})
}
