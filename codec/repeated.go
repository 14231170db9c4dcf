package codec

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// DefaultMaxCount is the default limit on the number of values in a [Repeated], in both directions.
const DefaultMaxCount = 1 << 20

// Repeated is values of c after their count. It takes the option [Max], in values, 1,048,576 by default. A received
// count is checked against the size of the enclosing frame, and memory is allocated as the values arrive. A count of 0
// is an empty slice.
//
//	Repeated(Uint8, Uint16), []uint16{1, 2}:
//	| 02 | 00 | 01 | 00 | 02 |
func Repeated[N Integer, T any](number Codec[N], c Codec[T], opts ...MaxOption) Codec[[]T] {
	count := lengthOf("Repeated: count", number, DefaultMaxCount, []LengthOption{Max(maxOf(opts, DefaultMaxCount))})
	return repeated[T]{sequence: sequenceOf("Repeated", c, opts), count: count}
}

// Array is exactly n values of c.
//
//	Array(2, Uint8), []uint8{7, 8}:
//	| 07 | 08 |
func Array[T any](n int, c Codec[T]) Codec[[]T] {
	notNil(c, "Array")
	positive("Array: n", n)
	s := sequence[T]{c: c, each: SizeOf(c), empty: true, max: n}
	if n > 1 {
		s.c = ended("Array", c)
	}
	return repeated[T]{sequence: s}
}

// ToEnd is values of c up to the end of the enclosing frame or stream. It takes the option [Max], in values, 1,048,576
// by default.
//
//	Prefixed(Uint8, ToEnd(Uint16)), []uint16{1, 2}:
//	| 04 | 00 | 01 | 00 | 02 |
func ToEnd[T any](c Codec[T], opts ...MaxOption) Codec[[]T] {
	return until[T]{sequenceOf("ToEnd", c, opts)}
}

// Until is values of c up to the bytes end, such as the fields in the head of a message up to an empty line. A value
// that starts with end, by itself or together with those after it, is rejected. It takes the option [Max], in values, 1,048,576 by default.
//
//	Until("\r\n", Lines.With(CRLF())), "a", "b":
//	| 61 | 0d | 0a | 62 | 0d | 0a | 0d | 0a |
func Until[T any](end string, c Codec[T], opts ...MaxOption) Codec[[]T] {
	refuse(end == "", "Until: end is empty")
	s := sequenceOf("Until", c, opts)
	s.end = end
	return until[T]{s}
}

// sequence is values one after the other.
type sequence[T any] struct {
	c     Codec[T]
	each  Size   // of each
	max   int    // how many
	empty bool   // they may take no bytes: their number is no mere claim of the peer's
	end   string // what stands after the last, if anything

	sep *delimiters // what stands between two, if anything
}

// sequenceOf panics if the values may take no bytes, so that a count would not bound them.
func sequenceOf[T any](where string, c Codec[T], opts []MaxOption) sequence[T] {
	notNil(c, where)
	each := SizeOf(c)
	refuse(each.Max == 0, "%s: the codec takes no bytes, so any number of values would cost a peer nothing", where)
	return sequence[T]{c: ended(where, c), each: each, max: maxOf(opts, DefaultMaxCount)}
}

func (s *sequence[T]) appendAll(dst []byte, all []T) (_ []byte, err error) {
	if len(all) > s.max {
		return dst, tooLarge("count", uint64(len(all)), s.max)
	}
	var short []start // of values that may start with end together with what follows
	for i, v := range all {
		at := len(dst)
		dst, err = s.c.Append(dst, v)
		switch {
		case err != nil:
		case len(dst) == at && !s.empty:
			err = ErrNoProgress
		case s.sep != nil:
			dst, err = s.separate(dst, at, i == len(all)-1, len(all) == 1)
		case s.end == "":
		case strings.HasPrefix(s.end, string(dst[at:min(len(dst), at+len(s.end))])):
			short = append(short, start{i, at})
		}
		if err != nil {
			return dst, WrapField(index(i), err)
		}
	}
	dst = append(dst, s.end...)
	for _, v := range short {
		if bytes.HasPrefix(dst[v.at:], []byte(s.end)) {
			return dst, WrapField(index(v.index), because(ErrMalformed, "the value starts with %q, which ends the list", s.end))
		}
	}
	return dst, nil
}

// start is where the encoding of a value of a sequence starts.
type start struct{ index, at int }

// next decodes the value with index i.
func (s *sequence[T]) next(r *Reader, i int) (T, error) {
	before := r.Offset()
	v, err := s.one(r)
	if err == nil && r.Offset() == before && !s.empty {
		err = r.Fail(before, ErrNoProgress)
	}
	if err != nil {
		return v, r.WrapField(index(i), err)
	}
	return v, nil
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// repeated is values after their count, or of a fixed count.
type repeated[T any] struct {
	sequence[T]
	count *Length // or nil if there are always max
}

func (c repeated[T]) Append(dst []byte, all []T) (_ []byte, err error) {
	if c.count != nil {
		dst, err = c.count.Append(dst, len(all))
	} else if len(all) != c.max {
		err = because(ErrMismatch, "got %d values, want %d", len(all), c.max)
	}
	if err != nil {
		return dst, err
	}
	return c.appendAll(dst, all)
}

// Decode allocates for a count only as far as the bytes for it are at hand.
func (c repeated[T]) Decode(r *Reader) (_ []T, err error) {
	n := c.max
	if c.count != nil {
		if n, err = c.count.Decode(r); err != nil {
			return nil, err
		}
	}
	room, err := r.count(n, c.each.Min, memorySize[T]())
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, room)
	for i := range n {
		v, err := c.next(r, i)
		if err != nil {
			return nil, err
		}
		if len(all) == cap(all) {
			all = slices.Grow(all, min(len(all), n-len(all)))
		}
		all = append(all, v)
	}
	return all, nil
}

func (c repeated[T]) Size() Size {
	s := Size{Min: timesBound(c.each.Min, c.max), Max: timesBound(c.each.Max, c.max), Open: c.each.Open, borrows: c.each.borrows}
	s.varies = c.count == nil && c.max == 1 && c.each.varies
	if c.count != nil {
		s.Min, s.Max = c.count.size.Min, addBound(c.count.size.Max, timesBound(c.each.Max, c.count.max))
	}
	return s
}

func (c repeated[T]) opensFor(all []T) bool {
	return c.each.Open || c.Size().varies && len(all) == 1 && opens(c.c, all[0])
}

func timesBound(a, n int) int {
	if a == Unbounded || n > 0 && a > Unbounded/n {
		return Unbounded
	}
	return a * n
}

// until is values up to a terminator, or to the end of the frame.
type until[T any] struct{ sequence[T] }

func (c until[T]) Append(dst []byte, all []T) ([]byte, error) { return c.appendAll(dst, all) }

func (c until[T]) Decode(r *Reader) ([]T, error) {
	room := 0
	if c.end == "" {
		room = min(len(r.Buffered())/max(c.each.Min, 1), c.max, firstRoom/max(memorySize[T](), 1))
	}
	all := make([]T, 0, room)
	for i := 0; ; i++ {
		if more, err := c.more(r, i); err != nil {
			return nil, err
		} else if !more {
			return all, r.Skip(len(c.end))
		}
		if i == c.max {
			return nil, r.Fail(r.Offset(), because(ErrTooLarge, "more than %d values", c.max))
		}
		v, err := c.next(r, i)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}

// firstRoom is the most memory, in bytes, that a slice of values takes before the first has arrived.
const firstRoom = 32 << 10

// more reports whether another value follows. It waits for no more bytes than it needs to know.
func (c until[T]) more(r *Reader, i int) (bool, error) {
	if c.end == "" {
		more, err := r.moreRest()
		if more && i > 0 && c.sep != nil {
			err = r.Skip(len(c.sep.sent)) // it is at hand: the value before ended there
		}
		return more, err
	}
	for n := range len(c.end) {
		p, err := r.Peek(n + 1)
		if err != nil || p[n] != c.end[n] {
			return true, err
		}
	}
	return false, nil
}

func (c until[T]) Size() Size {
	return Size{Min: len(c.end), Max: Unbounded, Open: c.end == "", borrows: c.each.borrows}
}
