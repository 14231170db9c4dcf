package codec

// DefaultMaxCount is how many values a [Repeated] takes in either direction if it is not told otherwise.
const DefaultMaxCount = 1 << 20

// Repeated is values of c behind their number. It takes the option [Max], in values, 1,048,576 by default. A number from
// the wire is checked against what the frame around can hold, and memory is allocated as the values come. No values are
// an empty slice. It is Gloss's repeated.
//
//	Repeated(Uint8, Uint16), []uint16{1, 2}:
//	+----+----+----+----+----+
//	| 02 | 00 | 01 | 00 | 02 |
//	+----+----+----+----+----+
func Repeated[N Integer, T any](count Codec[N], c Codec[T], opts ...Option) Codec[[]T] {
	notNil(count, "Repeated: count")
	notNil(c, "Repeated")
	closed("Repeated: count", SizeOf(count))
	closed("Repeated", SizeOf(c))
	o := resolve("Repeated", opts, DefaultMaxCount, "Max")
	if l, ok := count.(interface{ largest() uint64 }); ok && l.largest() < uint64(o.max) {
		o.max = int(l.largest())
	}
	return repeated[N, T]{count, sequence[T]{c, SizeOf(c).Min}, o.max}
}

// Array is exactly n values of c. It is a vector of Gloss.
//
//	Array(2, Uint8), []uint8{7, 8}:
//	+----+----+
//	| 07 | 08 |
//	+----+----+
func Array[T any](n int, c Codec[T]) Codec[[]T] {
	notNil(c, "Array")
	positive("Array: n", n)
	if n > 1 {
		closed("Array", SizeOf(c))
	}
	return times[T]{n, sequence[T]{c, SizeOf(c).Min}}
}

// ToEnd is values of c up to the end of the frame around it, or of the stream. It takes the option [Max], in values,
// 1,048,576 by default. It is Gloss's repeated with the prefix none.
//
//	Prefixed(Uint8, ToEnd(Uint16)), []uint16{1, 2}:
//	+----+----+----+----+----+
//	| 04 | 00 | 01 | 00 | 02 |
//	+----+----+----+----+----+
func ToEnd[T any](c Codec[T], opts ...Option) Codec[[]T] {
	notNil(c, "ToEnd")
	s := SizeOf(c)
	closed("ToEnd", s)
	if s.Max == 0 {
		panic("codec: ToEnd: the codec takes no bytes and would repeat for ever")
	}
	return toEnd[T]{sequence[T]{c, s.Min}, resolve("ToEnd", opts, DefaultMaxCount, "Max").max}
}

// sequence is values one behind the other.
type sequence[T any] struct {
	c    Codec[T]
	size int // each takes so many bytes at least
}

func (s *sequence[T]) appendAll(dst []byte, all []T) (_ []byte, err error) {
	for i, v := range all {
		if dst, err = s.c.Append(dst, v); err != nil {
			return dst, WrapField("["+itoa(i)+"]", err)
		}
	}
	return dst, nil
}

// firstRoom is what a slice of values may take before any of them has come, in bytes.
const firstRoom = 1 << 10

// decodeN decodes n values. What n claims is believed only as far as the bytes for it are at hand.
func (s *sequence[T]) decodeN(r *Reader, n int) ([]T, error) {
	if left, ok := r.Remaining(); ok && s.size > 0 && n > left/s.size {
		return nil, r.Fail(r.Offset(), because(ErrTooLarge, "%d values of at least %d bytes, where the frame has %d bytes left", n, s.size, left))
	}
	all := make([]T, 0, min(n, s.room(r)))
	for i := range n {
		v, err := s.c.Decode(r)
		if err != nil {
			return nil, r.WrapField("["+itoa(i)+"]", err)
		}
		all = append(all, v)
	}
	return all, nil
}

// room returns for how many values memory may be allocated now: those that may be at hand, or a few.
func (s *sequence[T]) room(r *Reader) int {
	few := firstRoom / max(1, memorySize[T]())
	if s.size == 0 {
		return few
	}
	return max(len(r.Buffered())/s.size, min(few, 4))
}

type repeated[N Integer, T any] struct {
	count Codec[N]
	sequence[T]
	max int
}

func (c repeated[N, T]) Append(dst []byte, all []T) ([]byte, error) {
	if len(all) > c.max {
		return dst, tooLarge("a count", uint64(len(all)), c.max)
	}
	dst, err := c.count.Append(dst, N(len(all)))
	if err != nil {
		return dst, WrapField("count", err)
	}
	return c.appendAll(dst, all)
}

func (c repeated[N, T]) Decode(r *Reader) ([]T, error) {
	start := r.Offset()
	n, err := c.count.Decode(r)
	if err != nil {
		return nil, r.WrapField("count", err)
	}
	if n < 0 {
		return nil, r.WrapField("count", r.Fail(start, because(ErrMalformed, "a count of %d", n)))
	}
	if uint64(n) > uint64(c.max) {
		return nil, r.WrapField("count", r.Fail(start, tooLarge("a count", uint64(n), c.max)))
	}
	return c.decodeN(r, int(n))
}

func (c repeated[N, T]) Size() Size {
	count, each := SizeOf(c.count), SizeOf(c.c)
	return Size{Min: count.Min, Max: addBound(count.Max, timesBound(each.Max, c.max))}
}

func timesBound(a, n int) int {
	if a == Unbounded || n > 0 && a > Unbounded/n {
		return Unbounded
	}
	return a * n
}

type times[T any] struct {
	n int
	sequence[T]
}

func (c times[T]) Append(dst []byte, all []T) ([]byte, error) {
	if len(all) != c.n {
		return dst, because(ErrMismatch, "%d values, where there must be %d", len(all), c.n)
	}
	return c.appendAll(dst, all)
}

func (c times[T]) Decode(r *Reader) ([]T, error) { return c.decodeN(r, c.n) }

func (c times[T]) Size() Size {
	each := SizeOf(c.c)
	return Size{Min: timesBound(each.Min, c.n), Max: timesBound(each.Max, c.n), Open: each.Open}
}

type toEnd[T any] struct {
	sequence[T]
	max int
}

func (c toEnd[T]) Append(dst []byte, all []T) ([]byte, error) {
	if len(all) > c.max {
		return dst, tooLarge("a count", uint64(len(all)), c.max)
	}
	start := len(dst)
	dst, err := c.appendAll(dst, all)
	if err == nil && len(dst)-start < len(all) && c.size == 0 {
		return dst, because(ErrNoProgress, "%d values in %d bytes", len(all), len(dst)-start)
	}
	return dst, err
}

func (c toEnd[T]) Decode(r *Reader) ([]T, error) {
	all := make([]T, 0, min(c.room(r), c.max))
	for i := 0; ; i++ {
		if more, err := r.More(); !more || err != nil {
			return all, err
		}
		if i == c.max {
			return nil, r.Fail(r.Offset(), because(ErrTooLarge, "more than the limit of %d values", c.max))
		}
		before := r.Offset()
		v, err := c.c.Decode(r)
		if err == nil && r.Offset() == before {
			err = r.Fail(before, ErrNoProgress)
		}
		if err != nil {
			return nil, r.WrapField("["+itoa(i)+"]", err)
		}
		all = append(all, v)
	}
}

func (c toEnd[T]) Size() Size { return Size{Max: Unbounded, Open: true} }
