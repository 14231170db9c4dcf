package codec

// Limit is c in at most max bytes, in both directions. The limit is not on the wire.
func Limit[T any](max int, c Codec[T]) Codec[T] {
	notNil(c, "Limit")
	positive("Limit: max", max)
	fits("Limit", max, SizeOf(c))
	return limited[T]{max, c}
}

type limited[T any] struct {
	max int
	c   Codec[T]
}

func (l limited[T]) Append(dst []byte, v T) ([]byte, error) { return joined(l.AppendHead(dst, v)) }

// Decode lets c read one byte more than max, so that it can tell too much from just enough.
func (l limited[T]) Decode(r *Reader) (v T, err error) {
	outer, outerBound, start := r.limit, r.bound, r.Offset()
	binds := l.max < r.left()-r.kept()
	if binds {
		r.bound = r.skew + r.pos + l.max + r.kept() + 1
		r.limit = r.bound
		r.clip()
	}
	v, err = l.c.Decode(r)
	over := binds && r.hit == r.bound && isUnexpectedEOF(err) && r.err == nil
	r.limit, r.bound = outer, outerBound
	r.clip()
	if over || err == nil && r.Offset()-start > int64(l.max) {
		return *new(T), r.Fail(start, because(ErrTooLarge, "value exceeds the limit of %d bytes", l.max))
	}
	return v, err
}

func (l limited[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	start := len(dst)
	head, body, err = appendHead(l.c, dst, v)
	if n := len(head) - start + len(body); err == nil && n > l.max {
		return dst, nil, tooLarge("length", uint64(n), l.max)
	}
	return head, body, err
}

func (l limited[T]) opensFor(v T) bool { return opens(l.c, v) }

func (l limited[T]) Size() Size {
	s := SizeOf(l.c)
	s.Max = min(s.Max, l.max)
	return s
}
