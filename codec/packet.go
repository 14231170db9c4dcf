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

// Packets returns d as a Duplex of values of c. Each value is a whole datagram. Closing the Duplex closes d.
//
// Anyone can send a datagram, so one that cannot be decoded does not end the stream. It is skipped, and bad, if not
// nil, is called with it and an [*Error] in the receiver's goroutine. Send rejects a value that c cannot encode or that
// is too large for a datagram, and the Duplex stays usable. Packets starts no goroutine.
func Packets[T any](
	d *chanio.Duplex[chanio.Packet, chanio.Packet], c Codec[T], bad func(p chanio.Packet, err error),
) *chanio.Duplex[Addressed[T], Addressed[T]] {
	notNil(c, "Packets")
	refuse(d == nil, "Packets: the Duplex is nil")
	if bad == nil {
		bad = func(chanio.Packet, error) {}
	}
	return &chanio.Duplex[Addressed[T], Addressed[T]]{Out: encodePackets(d.Out, c), In: decodePackets(d.In, c, bad), Released: d.Released}
}

func decodePackets[T any](
	in *chanio.Source[chanio.Packet], c Codec[T], bad func(chanio.Packet, error),
) *chanio.Source[Addressed[T]] {
	up := in.Claim("codec.Packets")
	return chanio.NewSource(chanio.SourceHooks[Addressed[T]]{
		Next: func(ctx context.Context) (m Addressed[T], err error) {
			m, _, err = decodePacket(c, bad, func() (chanio.Packet, bool, error) {
				p, err := up.Next(ctx)
				return p, err == nil, err
			})
			return m, err
		},
		TryNext: func() (Addressed[T], bool, error) { return decodePacket(c, bad, up.TryNext) },
		Close:   up.Close, Borrowed: up.Borrowed() || SizeOf(c).borrows,
		Describe: func() chanio.Description {
			return chanio.Description{Kind: "codec.Packets", Upstream: []chanio.Description{up.Describe()}}
		},
	})
}

// decodePacket decodes packets from take until one has a value.
func decodePacket[T any](c Codec[T], bad func(chanio.Packet, error), take func() (chanio.Packet, bool, error)) (m Addressed[T], ok bool, err error) {
	for {
		p, ok, err := take()
		if !ok {
			return m, false, err
		}
		v, err := Unmarshal(c, p.Data)
		if err == nil {
			return Addressed[T]{p.Addr, v}, true, nil
		}
		bad(p, err)
	}
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
