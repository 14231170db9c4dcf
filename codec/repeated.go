package codec

import "fmt"

// DefaultMaxCount is how many values a [Repeated] takes in either direction if it is not told otherwise.
const DefaultMaxCount = 1 << 20

// Repeated is values of c after their number. It takes the option [Max], in values, 1,048,576 by default. A number from
// the wire is checked against what the frame around can hold, and memory is allocated as the values come. No values are
// an empty slice.
//
//	Repeated(Uint8, Uint16), []uint16{1, 2}:
//	+----+----+----+----+----+
//	| 02 | 00 | 01 | 00 | 02 |
//	+----+----+----+----+----+
func Repeated[N Integer, T any](count Codec[N], c Codec[T], opts ...MaxOption) Codec[[]T] {
	length := lengthOf("Repeated: count", count, DefaultMaxCount, []LengthOption{Max(maxOf(opts, DefaultMaxCount))})
	return repeated[T]{length, sequenceOf("Repeated", c)}
}

// Array is exactly n values of c.
//
//	Array(2, Uint8), []uint8{7, 8}:
//	+----+----+
//	| 07 | 08 |
//	+----+----+
func Array[T any](n int, c Codec[T]) Codec[[]T] {
	notNil(c, "Array")
	positive("Array: n", n)
	s := sequence[T]{c: c, size: SizeOf(c), fixed: true}
	if n > 1 {
		s.c = ended("Array", c)
	}
	return times[T]{n, s}
}

// ToEnd is values of c up to the end of the frame around it, or of the stream. It takes the option [Max], in values,
// 1,048,576 by default.
//
//	Prefixed(Uint8, ToEnd(Uint16)), []uint16{1, 2}:
//	+----+----+----+----+----+
//	| 04 | 00 | 01 | 00 | 02 |
//	+----+----+----+----+----+
func ToEnd[T any](c Codec[T], opts ...MaxOption) Codec[[]T] {
	return toEnd[T]{sequenceOf("ToEnd", c), maxOf(opts, DefaultMaxCount)}
}

// sequence is values one after the other.
type sequence[T any] struct {
	c     Codec[T]
	size  Size // of each
	fixed bool // their number is no claim of the peer's
}

// sequenceOf panics about values whose number says nothing about their bytes.
func sequenceOf[T any](where string, c Codec[T]) sequence[T] {
	notNil(c, where)
	s := SizeOf(c)
	if s.Max == 0 {
		panic(fmt.Sprintf("codec: %s: the codec takes no bytes, so any number of values would cost a peer nothing", where))
	}
	return sequence[T]{c: ended(where, c), size: s}
}

func (s *sequence[T]) appendAll(dst []byte, all []T) (_ []byte, err error) {
	for i, v := range all {
		start := len(dst)
		dst, err = s.c.Append(dst, v)
		if err == nil && len(dst) == start && !s.fixed {
			err = ErrNoProgress
		}
		if err != nil {
			return dst, WrapField(index(i), err)
		}
	}
	return dst, nil
}

// next decodes the value with this index.
func (s *sequence[T]) next(r *Reader, i int) (T, error) {
	before := r.Offset()
	v, err := s.c.Decode(r)
	if err == nil && r.Offset() == before && !s.fixed {
		err = r.Fail(before, ErrNoProgress)
	}
	if err != nil {
		return v, r.WrapField(index(i), err)
	}
	return v, nil
}

// decodeN decodes n values. What n claims is believed only as far as the bytes for it are at hand.
func (s *sequence[T]) decodeN(r *Reader, n int) ([]T, error) {
	room, err := r.Count(n, s.size.Min)
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, room)
	for i := range n {
		v, err := s.next(r, i)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func index(i int) string { return "[" + itoa(i) + "]" }

type repeated[T any] struct {
	count *Length
	sequence[T]
}

func (c repeated[T]) Append(dst []byte, all []T) ([]byte, error) {
	dst, err := c.count.Append(dst, len(all))
	if err != nil {
		return dst, err
	}
	return c.appendAll(dst, all)
}

func (c repeated[T]) Decode(r *Reader) ([]T, error) {
	n, err := c.count.Decode(r)
	if err != nil {
		return nil, err
	}
	return c.decodeN(r, n)
}

func (c repeated[T]) Size() Size {
	return Size{Min: c.count.size.Min, Max: addBound(c.count.size.Max, timesBound(c.size.Max, c.count.max)), borrows: c.size.borrows}
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
		return dst, because(ErrMismatch, "got %d values, want %d", len(all), c.n)
	}
	return c.appendAll(dst, all)
}

func (c times[T]) Decode(r *Reader) ([]T, error) { return c.decodeN(r, c.n) }

func (c times[T]) Size() Size {
	return Size{Min: timesBound(c.size.Min, c.n), Max: timesBound(c.size.Max, c.n), Open: c.size.Open, borrows: c.size.borrows}
}

type toEnd[T any] struct {
	sequence[T]
	max int
}

func (c toEnd[T]) Append(dst []byte, all []T) ([]byte, error) {
	if len(all) > c.max {
		return dst, tooLarge("count", uint64(len(all)), c.max)
	}
	return c.appendAll(dst, all)
}

func (c toEnd[T]) Decode(r *Reader) ([]T, error) {
	all := make([]T, 0, min(len(r.Buffered())/max(c.size.Min, 1), c.max, firstRoom/max(memorySize[T](), 1)))
	return c.decodeWhile(r, all, c.max, r.More)
}

// decodeWhile decodes values for as long as there are more.
func (s *sequence[T]) decodeWhile(r *Reader, all []T, most int, more func() (bool, error)) ([]T, error) {
	for i := 0; ; i++ {
		if more, err := more(); !more || err != nil {
			return all, err
		}
		if i == most {
			return nil, r.Fail(r.Offset(), because(ErrTooLarge, "more than %d values", most))
		}
		v, err := s.next(r, i)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}

// firstRoom is what a slice of values may take before any of them has come, in bytes.
const firstRoom = 4 << 10

func (c toEnd[T]) Size() Size { return Size{Max: Unbounded, Open: true, borrows: c.size.borrows} }
