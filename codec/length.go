package codec

import (
	"encoding/binary"
	"math"
)

// Length is the number of bytes, or of values, in front of what it counts. All codecs of this package parse, bound,
// adjust and write their lengths by it, and codecs written by hand or by wiregen should too.
//
//	var nameLength = codec.NewLength(codec.Uint16, codec.Max(100))
//
//	dst, err = nameLength.Append(dst, len(v.Name))    // ErrTooLarge beyond 100
//	n, err := nameLength.Decode(r)                    // ErrTooLarge beyond 100
//
// A Length is immutable and safe for concurrent use.
type Length struct {
	op     op     // of a number of fixed width; 0 for any other
	width  int    // bytes, if that is fixed
	size   Size   // of the number
	most   uint64 // the largest number that can be written
	trust  bool   // most is exact: up to it, no number is cut off
	adjust int    // what the number counts beyond n
	least  int    // of n
	max    int    // of n, no more than the number can express
	number lengthNumber
}

// lengthNumber is a codec of any integers.
type lengthNumber interface {
	append(dst []byte, u uint64, verify bool) ([]byte, error)
	decode(r *Reader) (u uint64, negative bool, err error)
}

// NewLength returns a Length with the given codec of its number. Its options are [Max], which limits what is counted
// and is 16 MiB by default, and [Adjust]. The range of number and Max both apply in both directions.
func NewLength[N Integer](number Codec[N], opts ...LengthOption) *Length {
	return lengthOf("NewLength", number, DefaultMax, opts)
}

func lengthOf[N Integer](where string, number Codec[N], most int, opts []LengthOption) *Length {
	notNil(number, where+": length")
	o := lengthOptions{max: most}
	for _, opt := range opts {
		opt.applyLength(&o)
	}
	l := &Length{adjust: o.adjust, max: o.max, number: numberOf[N]{number}, most: largestOf[N](memorySize[N]()), size: SizeOf(number)}
	refuse(l.size.Open, "%s: the length has no end of its own; use a number, or text with a delimiter", where)
	if n, ok := l.size.Fixed(); ok {
		l.width = n
	}
	if n, ok := underlying(number).(interface{ largest() uint64 }); ok {
		l.most, l.trust = n.largest(), true
	}
	if p, ok := underlying(number).(primitive); ok {
		l.op = p.operation()
	}
	refuse(o.adjust > 0 && uint64(o.adjust) > l.most, "%s: Adjust(%d) is more than the length can express, %d", where, o.adjust, l.most)
	if bound := subtract(l.most, o.adjust); bound < uint64(o.max) {
		l.max = int(bound)
	}
	if o.adjust < 0 {
		l.least = max(-o.adjust, -(o.adjust + 1)) // the least int has no opposite, and then nothing fits
		l.max = min(l.max, math.MaxInt-1)
	}
	return l
}

// largestOf returns the largest N that this many bytes hold.
func largestOf[N Integer](width int) uint64 {
	if isSigned[N]() {
		return 1<<(8*width-1) - 1
	}
	return 1<<(8*width) - 1
}

func isSigned[N Integer]() bool { return N(0)-1 < 0 }

// subtract returns u - adjust, no more than the largest uint64.
func subtract(u uint64, adjust int) uint64 {
	if adjust >= 0 {
		return u - uint64(adjust)
	}
	if more := -uint64(int64(adjust)); u <= math.MaxUint64-more {
		return u + more
	}
	return math.MaxUint64
}

// callsUser reports whether the number may be of a codec of the user.
func (l *Length) callsUser() bool { return l.op == 0 && !l.trust }

// Max returns the most that can be counted.
func (l *Length) Max() int { return l.max }

// parse returns the count for the number u. It fails if the count is out of bounds.
func (l *Length) parse(u uint64) (n int, ok bool) {
	if u > l.most || l.adjust > 0 && u < uint64(l.adjust) {
		return 0, false
	}
	if l.adjust != 0 {
		u = subtract(u, l.adjust)
	}
	return int(u), u <= uint64(l.max)
}

// fits reports whether wire succeeds for n.
func (l *Length) fits(n int) bool { return n >= l.least && n <= l.max }

// wire returns n as the number that is written.
func (l *Length) wire(n int) (uint64, error) {
	if n < 0 {
		return 0, because(ErrTooLarge, "negative length %d", n)
	}
	if n > l.max {
		return 0, tooLarge("length", uint64(n), l.max)
	}
	if l.adjust < 0 && uint64(n) < -uint64(int64(l.adjust)) {
		return 0, because(ErrTooLarge, "length %d cannot be expressed with Adjust(%d)", n, l.adjust)
	}
	return l.shifted(n), nil
}

// shifted returns the number written for n, which must fit.
func (l *Length) shifted(n int) uint64 { return uint64(n) + uint64(int64(l.adjust)) }

// Decode reads a length. Its errors are ErrTooLarge and ErrMalformed, with the path "length".
func (l *Length) Decode(r *Reader) (int, error) {
	if n, ok := l.peek(r.buf[r.pos:]); ok {
		r.pos += l.width
		return n, nil
	}
	n, _, err := l.decodeSlow(r, false)
	return n, err
}

// decodeSlow reads a length of any kind. If orNone is set, the number that stands for -1 means no value.
func (l *Length) decodeSlow(r *Reader, orNone bool) (n int, none bool, err error) {
	start := r.Offset()
	u, negative, err := l.number.decode(r)
	if err != nil {
		return 0, false, r.WrapField("length", err)
	}
	if orNone && u == l.none() && negative == (l.adjust <= 0) {
		return 0, true, nil
	}
	n, ok := l.parse(u)
	switch {
	case negative:
		err = because(ErrMalformed, "negative length %d", int64(u))
	case ok:
		return n, false, nil
	case l.adjust > 0 && u < uint64(l.adjust):
		err = because(ErrMalformed, "length %d is below the minimum of %d", u, l.adjust)
	default:
		err = tooLarge("length", u, l.max)
	}
	return 0, false, r.WrapField("length", r.Fail(start, err))
}

// none returns the number that stands for -1, in two's complement.
func (l *Length) none() uint64 { return uint64(int64(l.adjust)) - 1 }

// appendNone appends the number that stands for -1.
func (l *Length) appendNone(dst []byte) ([]byte, error) {
	if l.op != 0 {
		return l.op.store(dst, l.none()), nil
	}
	dst, err := l.number.append(dst, l.none(), true)
	return dst, WrapField("length", err)
}

// peek returns the length at the start of p. It fails if the length is incomplete, out of bounds, or not of a fixed
// width.
func (l *Length) peek(p []byte) (n int, ok bool) {
	if l.op == 0 || len(p) < l.width {
		return 0, false
	}
	if l.op == op32 {
		return l.parse(uint64(binary.BigEndian.Uint32(p)))
	}
	return l.parse(l.op.load(p))
}

// Append appends the length n.
func (l *Length) Append(dst []byte, n int) ([]byte, error) {
	if l.op != 0 && l.fits(n) {
		if l.op == op16 { // saves a call
			return binary.BigEndian.AppendUint16(dst, uint16(l.shifted(n))), nil
		}
		return l.op.store(dst, l.shifted(n)), nil
	}
	u, err := l.wire(n)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst, err = l.number.append(dst, u, !l.trust)
	if err != nil {
		return dst, WrapField("length", err)
	}
	if got := len(dst) - start; l.width > 0 && got != l.width {
		return dst, WrapField("length", because(ErrMalformed, "the number took %d bytes, want %d", got, l.width))
	}
	return dst, nil
}

// reserve appends room for a length of fixed width, which put fills in.
func (l *Length) reserve(dst []byte) []byte {
	if l.op == op32 {
		return append(dst, 0, 0, 0, 0)
	}
	for range l.width {
		dst = append(dst, 0)
	}
	return dst
}

// put writes the length of the bytes after its place at dst[start:], and of more bytes to come. A length of variable
// width has no place yet: put appends it and then moves it to the front.
func (l *Length) put(dst []byte, start, more int) ([]byte, error) {
	n := len(dst) - start - l.width + more
	if l.op == op32 && l.adjust == 0 && n <= l.max {
		binary.BigEndian.PutUint32(dst[start:], uint32(n))
		return dst, nil
	}
	if l.width > 0 {
		number, err := l.Append(dst[:start:start+l.width], n)
		if err == nil {
			copy(dst[start:], number[start:])
		}
		return dst, err
	}
	mid := len(dst)
	dst, err := l.Append(dst, n)
	if err == nil {
		rotate(dst[start:], mid-start)
	}
	return dst, err
}

// rotate moves p[n:], which is short, to the front.
func rotate(p []byte, n int) {
	var moved [32]byte
	for len(p) > n {
		k := min(len(p)-n, len(moved))
		copy(moved[:k], p[len(p)-k:])
		copy(p[k:], p[:len(p)-k])
		copy(p, moved[:k])
		n += k
	}
}

// numberOf is the codec of the numbers of a Length.
type numberOf[N Integer] struct{ c Codec[N] }

// append writes u. With verify it reads the number again, since a codec of the user may cut off high bits, and the peer
// would get another length.
func (c numberOf[N]) append(dst []byte, u uint64, verify bool) ([]byte, error) {
	n := N(u)
	if uint64(n) != u {
		return dst, because(ErrTooLarge, "%d does not fit the number", u)
	}
	start := len(dst)
	dst, err := c.c.Append(dst, n)
	if err != nil || !verify {
		return dst, err
	}
	if back, err := Unmarshal(c.c, dst[start:]); err != nil || back != n {
		return dst, because(ErrTooLarge, "%d does not fit the number", u)
	}
	return dst, nil
}

func (c numberOf[N]) decode(r *Reader) (u uint64, negative bool, err error) {
	n, err := c.c.Decode(r)
	return uint64(n), n < 0, err
}
