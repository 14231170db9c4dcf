package codec

import (
	"net/netip"
	"time"
)

// UUID is 16 bytes as they are: RFC 9562, section 4. T is the UUID type of any package, or [16]byte.
//
//	UUID[[16]byte]():
//	| f8 | 1d |         | f6 |    f81d4fae-7dec-11d0-a765-00a0c91e6bf6
func UUID[T ~[16]byte]() Codec[T] { return uuid[T]{} }

type uuid[T ~[16]byte] struct{}

func (uuid[T]) Append(dst []byte, v T) ([]byte, error) {
	p := [16]byte(v)
	return append(dst, p[:]...), nil
}

func (uuid[T]) Decode(r *Reader) (v T, err error) {
	p, err := r.Next(16)
	if err != nil {
		return v, err
	}
	return T(p), nil
}

func (uuid[T]) Size() Size { return Size{Min: 16, Max: 16} }

// UnixTime is a time as a number of units, such as time.Second or time.Millisecond, since the start of 1970 in UTC. A
// time between two units is rounded down. A time that the number cannot hold is rejected. Decoded times are in UTC.
//
//	UnixTime(Uint32, time.Second), 2001-09-09 01:46:40 UTC:
//	| 3b | 9a | ca | 00 |
func UnixTime[N Integer](number Codec[N], unit time.Duration) Codec[time.Time] {
	notNil(number, "UnixTime")
	refuse(unit <= 0 || time.Second%unit != 0, "UnixTime: the unit must divide a second, got %v", unit)
	perSecond := int64(time.Second / unit)
	return Map(number,
		func(n N) (time.Time, error) {
			seconds := int64(n) / perSecond
			part := int64(n) % perSecond * int64(unit)
			if n > 0 && int64(n) < 0 || seconds > maxUnix || seconds < -maxUnix {
				return time.Time{}, because(ErrTooLarge, "timestamp %d (unit %v) is out of range", n, unit)
			}
			return time.Unix(seconds, part).UTC(), nil
		},
		func(t time.Time) (N, error) {
			seconds := t.Unix()
			units := seconds*perSecond + int64(t.Nanosecond())/int64(unit)
			n := N(units)
			if seconds > maxUnix || seconds < -maxUnix || units/perSecond-seconds > 1 || seconds-units/perSecond > 1 ||
				int64(n) != units || (n < 0) != (units < 0) {
				return 0, because(ErrTooLarge, "%v does not fit the number", t)
			}
			return n, nil
		})
}

// maxUnix bounds seconds to times that time.Time can compare. It overflows at the year 292,277,022,399.
const maxUnix = 1 << 62

// IP addresses in the order of the network. IPv6 keeps addresses of IPv4 in their mapped form; zones are rejected.
//
//	IPv4, 127.0.0.1:        AddrPort4, 127.0.0.1:80:
//	| 7f | 00 | 00 | 01 |   | 7f | 00 | 00 | 01 | 00 | 50 |
var (
	IPv4      Codec[netip.Addr]     = address(4)
	IPv6      Codec[netip.Addr]     = address(16)
	AddrPort4 Codec[netip.AddrPort] = addrPort(IPv4)
	AddrPort6 Codec[netip.AddrPort] = addrPort(IPv6)
)

type address int

func (n address) Append(dst []byte, v netip.Addr) ([]byte, error) {
	if v.BitLen() != 8*int(n) || v.Zone() != "" {
		return dst, because(ErrMismatch, "%v is not an address of %d bytes without a zone", v, int(n))
	}
	p := v.As16()
	return append(dst, p[16-int(n):]...), nil
}

func (n address) Decode(r *Reader) (netip.Addr, error) {
	p, err := r.Next(int(n))
	if err != nil {
		return netip.Addr{}, err
	}
	addr, _ := netip.AddrFromSlice(p)
	return addr, nil
}

func (n address) Size() Size { return Size{Min: int(n), Max: int(n)} }

func addrPort(addr Codec[netip.Addr]) Codec[netip.AddrPort] {
	return Map(PairOf(addr, Uint16),
		func(p Pair[netip.Addr, uint16]) (netip.AddrPort, error) {
			return netip.AddrPortFrom(p.First, p.Second), nil
		},
		func(a netip.AddrPort) (Pair[netip.Addr, uint16], error) {
			return Pair[netip.Addr, uint16]{a.Addr(), a.Port()}, nil
		})
}
