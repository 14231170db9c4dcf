package codec

import "strconv"

// Suffixed is c followed by the bytes suffix, which are verified when decoding. If c is open-ended, it takes all bytes
// up to the suffix.
//
//	Suffixed(Prefixed(Delimited(Decimal[int](), ":"), String), ","), "abc": a netstring
//	| 33 | 3a | 61 | 62 | 63 | 2c |
func Suffixed[T any](c Codec[T], suffix string) Codec[T] {
	notNil(c, "Suffixed")
	return between[T]{Empty[struct{}](), c, constant(suffix), len(suffix), "suffix"}
}

// Netstring is c as a netstring (D. J. Bernstein, 1997): its length in decimal, a colon, its bytes, a comma. It takes
// the option [Max]. As the paper demands, a length with a sign or leading zeros is rejected.
func Netstring[T any](c Codec[T], opts ...MaxOption) Codec[T] {
	return Suffixed(Prefixed(Codec[uint64](netstringLength{}), notNil(c, "Netstring"), Max(maxOf(opts, DefaultMax))), ",")
}

// netstringLength is a length in decimal and a colon.
type netstringLength struct{}

func (netstringLength) Append(dst []byte, n uint64) ([]byte, error) {
	return append(strconv.AppendUint(dst, n, 10), ':'), nil
}

func (netstringLength) Decode(r *Reader) (uint64, error) {
	start := r.Offset()
	p, err := r.ReadUntil(':', 19)
	if err != nil {
		return 0, err
	}
	p = p[:len(p)-1]
	n, ok := parseDecimal[uint64](p)
	if !ok || p[0] == '0' && len(p) > 1 {
		return 0, r.Fail(start, because(ErrMalformed, "invalid length %q", string(p)))
	}
	return n, nil
}

func (netstringLength) Size() Size      { return Size{Min: 2, Max: 20} }
func (netstringLength) largest() uint64 { return 1e19 - 1 }
