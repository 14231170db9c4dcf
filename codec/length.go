package codec

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Length is a number of bytes, or of values, in front of what it counts. It is the one place where such a number is
// parsed, bounded, adjusted and written: every codec of this package that has a length uses it, and codecs written by hand
// or by wiregen do too.
//
//	var nameLength = codec.NewLength(codec.Uint16, codec.Max(100))
//
//	dst, err = nameLength.Append(dst, len(v.Name))    // ErrTooLarge beyond 100
//	n, err := nameLength.Decode(r)                    // ErrTooLarge beyond 100
//
// A Length is immutable, and for any number of goroutines.
type Length struct {
	op     op     // of a number of fixed width; 0 for any other
	width  int    // bytes, if that is fixed
	least  int    // bytes, at least
	widest int    // bytes, at most
	most   uint64 // the largest number that can be written
	adjust int    // what the number counts beyond n
	max    int    // of n, no more than the number can express
	number lengthNumber
}

// lengthNumber is a codec of any integers.
type lengthNumber interface {
	append(dst []byte, u uint64, verify bool) ([]byte, error)
	decode(r *Reader) (u uint64, negative bool, err error)
}

// NewLength returns a Length whose number has this codec. Its options are [Max], of what is counted and 16 MiB by
// default, and [Adjust]. Both bounds, that of the codec and Max, hold in both directions.
func NewLength[N Integer](number Codec[N], opts ...Option) *Length {
	notNil(number, "NewLength")
	o := resolve("NewLength", opts, DefaultMax, "Max", "Adjust")
	return lengthOf("NewLength", number, o.adjust, o.max)
}

func lengthOf[N Integer](where string, number Codec[N], adjust, most int) *Length {
	size := SizeOf(number)
	if size.Open {
		panic(fmt.Sprintf("codec: %s: the length has no end of its own; use a number, or text with a delimiter", where))
	}
	l := &Length{adjust: adjust, max: most, number: numberOf[N]{number}, most: math.MaxUint64, least: size.Min, widest: size.Max}
	l.width, _ = size.Fixed()
	if n, ok := any(number).(interface{ largest() uint64 }); ok {
		l.most = n.largest()
	}
	if p, ok := any(number).(primitive); ok {
		l.op = p.operation()
	}
	if adjust > 0 && uint64(adjust) > l.most {
		panic(fmt.Sprintf("codec: %s: Adjust(%d) is more than the length can express, %d", where, adjust, l.most))
	}
	if bound := subtract(l.most, adjust); bound < uint64(most) {
		l.max = int(bound)
	}
	return l
}

// subtract returns u - adjust, no more than the largest uint64.
func subtract(u uint64, adjust int) uint64 {
	if adjust >= 0 {
		return u - uint64(adjust)
	}
	if less := -uint64(int64(adjust)); u <= math.MaxUint64-less {
		return u + less
	}
	return math.MaxUint64
}

// Max returns the most that can be counted.
func (l *Length) Max() int { return l.max }

// parse returns what the number u counts; it fails if that is out of bounds.
func (l *Length) parse(u uint64) (n int, ok bool) {
	if u > l.most || l.adjust > 0 && u < uint64(l.adjust) {
		return 0, false
	}
	if u = subtract(u, l.adjust); u > uint64(l.max) {
		return 0, false
	}
	return int(u), true
}

// wire returns n as the number that is written.
func (l *Length) wire(n int) (uint64, error) {
	if n < 0 || n > l.max {
		return 0, tooLarge("length", uint64(n), l.max)
	}
	u := uint64(n) + uint64(int64(l.adjust))
	if l.adjust < 0 && uint64(n) < -uint64(int64(l.adjust)) {
		return 0, because(ErrMalformed, "length %d is below the minimum of %d", n, -l.adjust)
	}
	return u, nil
}

// Decode reads a length. Its errors are ErrTooLarge and ErrMalformed, with the path "length".
func (l *Length) Decode(r *Reader) (int, error) {
	if n, ok := l.peek(r.buf[r.pos:]); ok {
		r.pos += l.width
		return n, nil
	}
	start := r.Offset()
	u, negative, err := l.number.decode(r)
	if err != nil {
		return 0, r.WrapField("length", err)
	}
	n, ok := l.parse(u)
	switch {
	case negative:
		return 0, r.WrapField("length", r.Fail(start, because(ErrMalformed, "negative length %d", int64(u))))
	case ok:
		return n, nil
	case l.adjust > 0 && u < uint64(l.adjust):
		return 0, r.WrapField("length", r.Fail(start, because(ErrMalformed, "length %d is below the minimum of %d", u, l.adjust)))
	}
	return 0, r.WrapField("length", r.Fail(start, tooLarge("length", u, l.max)))
}

// peek returns the length at the start of p. It fails if that is not whole, not a plain number or not allowed.
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
	u, err := l.wire(n)
	if err != nil {
		return dst, err
	}
	if l.op != 0 {
		return l.op.store(dst, u), nil
	}
	start := len(dst)
	dst, err = l.number.append(dst, u, l.most == math.MaxUint64)
	if err != nil {
		return dst, WrapField("length", err)
	}
	if got := len(dst) - start; l.width > 0 && got != l.width {
		return dst, WrapField("length", because(ErrMalformed, "the number took %d bytes, want %d", got, l.width))
	}
	return dst, nil
}

// reserve appends the place of a length of fixed width, for put.
func (l *Length) reserve(dst []byte) []byte {
	if l.op == op32 {
		return append(dst, 0, 0, 0, 0)
	}
	for range l.width {
		dst = append(dst, 0)
	}
	return dst
}

// put writes into its place at dst[start:] the length of what lies behind it and of more bytes to come.
func (l *Length) put(dst []byte, start, more int) error {
	n := len(dst) - start - l.width + more
	if l.op == op32 && uint(n) <= uint(l.max) && l.adjust == 0 {
		binary.BigEndian.PutUint32(dst[start:], uint32(n))
		return nil
	}
	number, err := l.Append(dst[:start:start+l.width], n)
	if err == nil {
		copy(dst[start:], number[start:])
	}
	return err
}

// size is the size of the number.
func (l *Length) size() Size { return Size{Min: l.least, Max: l.widest} }

// numberOf is the codec of the numbers of a Length.
type numberOf[N Integer] struct{ c Codec[N] }

// append writes u. Where nothing is known of the codec, what it wrote is read again: one that cuts off what does not fit
// would tell the peer another length.
func (c numberOf[N]) append(dst []byte, u uint64, verify bool) ([]byte, error) {
	n := N(u)
	if n < 0 || uint64(n) != u {
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
