package codec

// Pair is two values one after the other.
type Pair[A, B any] struct {
	First  A
	Second B
}

// PairOf is a, then b. For more than a few values with names, see [Record].
//
//	PairOf(Uint16, Uint8), Pair[uint16, uint8]{1, 2}:
//	| 00 | 01 | 02 |
func PairOf[A, B any](a Codec[A], b Codec[B]) Codec[Pair[A, B]] {
	notNil(a, "PairOf")
	notNil(b, "PairOf")
	return pair[A, B]{a: ended("PairOf", a), b: b}
}

// PairBy is a value of a, followed by one whose codec by returns for it, such as a header and the body that depends on
// it. by returns codecs built beforehand; nil for an unknown first value is an error in both directions. Use [Map] for
// a type of your own, and [FieldBy] within a [Record].
//
//	PairBy(Uint8, func(kind uint8) Codec[string] { return bodies[kind] }), {1, "hi"}, bodies[1] with a length of one byte:
//	| 01 | 02 | 68 | 69 |
func PairBy[A, B any](a Codec[A], by func(A) Codec[B]) Codec[Pair[A, B]] {
	notNil(a, "PairBy")
	refuse(by == nil, "PairBy: the function is nil")
	return pair[A, B]{a: ended("PairBy", a), by: by}
}

// Between is c between two fixed parts, each made by [Const] or [Skip]. Either may be nil.
//
//	Between(Const("<"), Uint8, Const(">")), 7:
//	| 3c | 07 | 3e |
func Between[T any](before Codec[struct{}], c Codec[T], after Codec[struct{}]) Codec[T] {
	notNil(c, "Between")
	if before == nil {
		before = Empty[struct{}]()
	}
	if after == nil {
		after = Empty[struct{}]()
	} else {
		c = ended("Between", c)
	}
	return between[T]{before: before, c: c, after: after}
}

type pair[A, B any] struct {
	a  Codec[A]
	b  Codec[B]
	by func(A) Codec[B] // in place of b
}

// second returns the codec that follows a first value.
func (c pair[A, B]) second(first A) Codec[B] {
	if c.by == nil {
		return c.b
	}
	if b := c.by(first); b != nil {
		return b
	}
	return noCodec[B]{errNoCodec}
}

func (c pair[A, B]) Append(dst []byte, v Pair[A, B]) ([]byte, error) {
	return joined(c.AppendHead(dst, v))
}

func (c pair[A, B]) AppendHead(dst []byte, v Pair[A, B]) (head, body []byte, err error) {
	if dst, err = c.a.Append(dst, v.First); err != nil {
		return dst, nil, WrapField("first", err)
	}
	dst, body, err = appendHead(c.second(v.First), dst, v.Second)
	return dst, body, WrapField("second", err)
}

func (c pair[A, B]) Decode(r *Reader) (v Pair[A, B], err error) {
	if v.First, err = c.a.Decode(r); err != nil {
		return v, r.WrapField("first", err)
	}
	v.Second, err = c.second(v.First).Decode(r)
	return v, r.WrapField("second", err)
}

func (c pair[A, B]) opensFor(v Pair[A, B]) bool { return opens(c.second(v.First), v.Second) }

func (c pair[A, B]) Size() Size {
	second := unknownSize
	if c.by == nil {
		second = SizeOf(c.b)
	}
	return SizeOf(c.a).plus(second)
}

type between[T any] struct {
	before Codec[struct{}]
	c      Codec[T]
	after  Codec[struct{}]
	kept   int    // bytes of after that an open-ended value leaves
	name   string // of after
}

func (b between[T]) Append(dst []byte, v T) ([]byte, error) {
	dst, err := b.before.Append(dst, struct{}{})
	if err != nil {
		return dst, err
	}
	if dst, err = b.c.Append(dst, v); err != nil {
		return dst, err
	}
	return b.after.Append(dst, struct{}{})
}

func (b between[T]) Decode(r *Reader) (v T, err error) {
	if _, err = b.before.Decode(r); err != nil {
		return v, err
	}
	if v, err = before(r, b.kept, b.c); err != nil {
		return v, err
	}
	_, err = b.after.Decode(r)
	return v, r.WrapField(b.name, err)
}

func (b between[T]) opensFor(v T) bool { return opens(b.c, v) }

// Size is open-ended if c is. Such a c leaves the bytes of after.
func (b between[T]) Size() Size {
	s := SizeOf(b.before).plus(SizeOf(b.c))
	after := SizeOf(b.after)
	s.Min, s.Max = addBound(s.Min, after.Min), addBound(s.Max, after.Max)
	return s
}
