package codec

// COBS is c in consistent overhead byte stuffing (S. Cheshire and M. Baker, 1999): its zeros are encoded so that a zero
// byte ends the frame and occurs nowhere else. Since some senders also start a frame with a zero, an empty frame is
// skipped. It takes the option [Max], of the stuffed bytes, 64 KiB by default.
//
//	COBS(Bytes), 11 00 22:
//	| 02 | 11 | 02 | 22 | 00 |
func COBS[T any](c Codec[T], opts ...MaxOption) Codec[T] {
	notNil(c, "COBS")
	return stuffed[T]{c, maxOf(opts, DefaultMaxLine), 0, stuffCOBS, unstuffCOBS}
}

// SLIP is c in the framing of the serial line protocol (RFC 1055): the byte END, c0, ends a frame, and END and ESC, db,
// are escaped within it. Since many senders also start a frame with END, an empty frame is skipped, and a value of no
// bytes is rejected. It takes the option [Max], of the escaped bytes, 64 KiB by default.
//
//	SLIP(Bytes), 01 c0 02:
//	| 01 | db | dc | 02 | c0 |
func SLIP[T any](c Codec[T], opts ...MaxOption) Codec[T] {
	notNil(c, "SLIP")
	return stuffed[T]{c, maxOf(opts, DefaultMaxLine), slipEnd, stuffSLIP, unstuffSLIP}
}

type stuffed[T any] struct {
	c       Codec[T]
	max     int
	end     byte
	stuff   func(dst, plain []byte) []byte
	unstuff unstuffer
}

func (s stuffed[T]) Append(dst []byte, v T) ([]byte, error) {
	plain, err := s.c.Append(nil, v)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = s.stuff(dst, plain)
	switch n := len(dst) - start; {
	case n > s.max:
		return dst, tooLarge("length", uint64(n), s.max)
	case n == 0:
		return dst, because(ErrNoProgress, "empty frame, which receivers skip")
	}
	return append(dst, s.end), nil
}

func (s stuffed[T]) Decode(r *Reader) (v T, err error) {
	for left := s.max; left >= 0; left-- { // the first end may start the frame
		start := r.Offset()
		p, err := r.ReadUntil(s.end, s.max)
		if err != nil {
			return v, err
		}
		if len(p) > 1 {
			return decodeInner(r, s.c, p[:len(p)-1], start, s.unstuff)
		}
	}
	return v, r.Fail(r.Offset(), because(ErrTooLarge, "more than %d empty frames", s.max))
}

func (s stuffed[T]) Size() Size { return Size{Min: 2, Max: addBound(s.max, 1)} }

func stuffCOBS(dst, plain []byte) []byte {
	code := len(dst) // where the length of the present run goes
	dst = append(dst, 1)
	for i, b := range plain {
		if b != 0 {
			dst = append(dst, b)
			dst[code]++
		}
		if b == 0 || dst[code] == 0xff && i < len(plain)-1 {
			code = len(dst)
			dst = append(dst, 1)
		}
	}
	return dst
}

func unstuffCOBS(p []byte, wire *[]int) (plain []byte, bad int) {
	plain = make([]byte, 0, len(p))
	for i := 0; i < len(p); {
		n := int(p[i])
		if i+n > len(p) {
			return nil, i
		}
		for j := i + 1; j < i+n; j++ {
			plain = took(plain, p[j], j, wire)
		}
		if i += n; n < 0xff && i < len(p) {
			plain = took(plain, 0, i, wire)
		}
	}
	return plain, -1
}

// The special bytes of RFC 1055.
const (
	slipEnd    = 0xc0
	slipEsc    = 0xdb
	slipEscEnd = 0xdc
	slipEscEsc = 0xdd
)

func stuffSLIP(dst, plain []byte) []byte {
	for _, b := range plain {
		switch b {
		case slipEnd:
			dst = append(dst, slipEsc, slipEscEnd)
		case slipEsc:
			dst = append(dst, slipEsc, slipEscEsc)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

func unstuffSLIP(p []byte, wire *[]int) (plain []byte, bad int) {
	plain = make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		b := p[i]
		if b == slipEsc {
			if i++; i == len(p) {
				return nil, i - 1
			}
			switch p[i] {
			case slipEscEnd:
				b = slipEnd
			case slipEscEsc:
				b = slipEsc
			default:
				return nil, i
			}
		}
		plain = took(plain, b, i, wire)
	}
	return plain, -1
}
