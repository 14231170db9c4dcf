package codec

// Map makes a codec of other values: decode is applied to what c has decoded, encode to what c is to encode. Either may
// fail. It is Gloss's compile-frame with a pre-encoder and a post-decoder.
//
//	seconds := codec.Map(codec.Uint32,
//		func(n uint32) (time.Duration, error) { return time.Duration(n) * time.Second, nil },
//		func(d time.Duration) (uint32, error) { return uint32(d / time.Second), nil })
//
//	5 * time.Second:
//	+----+----+----+----+
//	| 00 | 00 | 00 | 05 |
//	+----+----+----+----+
func Map[A, B any](c Codec[A], decode func(A) (B, error), encode func(B) (A, error)) Codec[B] {
	notNil(c, "Map")
	if decode == nil || encode == nil {
		panic("codec: Map: both functions are needed")
	}
	return mapped[A, B]{c, decode, encode, quickIn(c)}
}

type mapped[A, B any] struct {
	c      Codec[A]
	decode func(A) (B, error)
	encode func(B) (A, error)
	quick  quickDecoder[A] // c, if it is one
}

func (m mapped[A, B]) Append(dst []byte, v B) ([]byte, error) {
	a, err := m.encode(v)
	if err != nil {
		return dst, err
	}
	return m.c.Append(dst, a)
}

func (m mapped[A, B]) Decode(r *Reader) (v B, err error) {
	start := r.Offset()
	a, err := m.c.Decode(r)
	if err != nil {
		return v, err
	}
	if v, err = m.decode(a); err != nil {
		return v, r.Fail(start, err)
	}
	return v, nil
}

func (m mapped[A, B]) Size() Size { return SizeOf(m.c) }
