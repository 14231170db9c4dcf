package codec

// Pair is two values one behind the other.
type Pair[A, B any] struct {
	First  A
	Second B
}

// PairOf is a, then b. It is a vector of Gloss. For more than a few values with names, see [Record].
//
//	PairOf(Uint16, Uint8), Pair[uint16, uint8]{1, 2}:
//	+----+----+----+
//	| 00 | 01 | 02 |
//	+----+----+----+
func PairOf[A, B any](a Codec[A], b Codec[B]) Codec[Pair[A, B]] {
	notNil(a, "PairOf")
	notNil(b, "PairOf")
	closed("PairOf", SizeOf(a))
	p := pair[A, B]{a, b}
	if tail, ok := b.(BodyCodec[B]); ok {
		return pairBody[A, B]{p, tail}
	}
	return p
}

// Between is c with fixed parts around it, each made by [Const] or [Skip]; nil stands for none.
//
//	Between(Const("<"), Uint8, Const(">")), 7:
//	+----+----+----+
//	| 3c | 07 | 3e |
//	+----+----+----+
func Between[T any](before Codec[struct{}], c Codec[T], after Codec[struct{}]) Codec[T] {
	notNil(c, "Between")
	if before == nil {
		before = Empty[struct{}]()
	}
	if after == nil {
		after = Empty[struct{}]()
	} else {
		closed("Between", SizeOf(c))
	}
	return between[T]{before, c, after}
}

type pair[A, B any] struct {
	a Codec[A]
	b Codec[B]
}

func (c pair[A, B]) Append(dst []byte, v Pair[A, B]) ([]byte, error) {
	dst, err := c.a.Append(dst, v.First)
	if err != nil {
		return dst, WrapField("first", err)
	}
	dst, err = c.b.Append(dst, v.Second)
	return dst, WrapField("second", err)
}

func (c pair[A, B]) Decode(r *Reader) (v Pair[A, B], err error) {
	if v.First, err = c.a.Decode(r); err != nil {
		return v, r.WrapField("first", err)
	}
	v.Second, err = c.b.Decode(r)
	return v, r.WrapField("second", err)
}

func (c pair[A, B]) Size() Size { return SizeOf(c.a).plus(SizeOf(c.b)) }

// pairBody is a pair whose second part need not be copied.
type pairBody[A, B any] struct {
	pair[A, B]
	tail BodyCodec[B]
}

func (c pairBody[A, B]) AppendHead(dst []byte, v Pair[A, B]) (head, body []byte, err error) {
	if dst, err = c.a.Append(dst, v.First); err != nil {
		return dst, nil, WrapField("first", err)
	}
	dst, body, err = c.tail.AppendHead(dst, v.Second)
	return dst, body, WrapField("second", err)
}

type between[T any] struct {
	before Codec[struct{}]
	c      Codec[T]
	after  Codec[struct{}]
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
	if v, err = b.c.Decode(r); err != nil {
		return v, err
	}
	_, err = b.after.Decode(r)
	return v, err
}

func (b between[T]) Size() Size { return SizeOf(b.before).plus(SizeOf(b.c)).plus(SizeOf(b.after)) }
