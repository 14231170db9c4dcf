package codec

// Optional is a value or nil, after a flag that says which.
//
//	Optional(Bool, Uint16), &7:     Optional(Bool, Uint16), nil:
//	| 01 | 00 | 07 |                | 00 |
func Optional[T any](flag Codec[bool], c Codec[T]) Codec[*T] {
	notNil(flag, "Optional: flag")
	notNil(c, "Optional")
	return optional[T]{ended("Optional: flag", flag), c}
}

// OptionalTail is a value if the enclosing frame has bytes left, and nil otherwise. Formats grow fields at their end in
// this way. A [Record] may end in several.
//
//	Prefixed(Uint8, PairOf(Uint8, OptionalTail(Uint8))), {1, &2}:     {1, nil}:
//	| 02 | 01 | 02 |                                            | 01 | 01 |
func OptionalTail[T any](c Codec[T]) Codec[*T] {
	notNil(c, "OptionalTail")
	refuse(SizeOf(c).Max == 0, "OptionalTail: the codec takes no bytes, so none can be left for it")
	return ifMore[T]{c}
}

type optional[T any] struct {
	flag Codec[bool]
	c    Codec[T]
}

func (o optional[T]) Append(dst []byte, v *T) ([]byte, error) {
	dst, err := o.flag.Append(dst, v != nil)
	if v == nil || err != nil {
		return dst, err
	}
	return o.c.Append(dst, *v)
}

func (o optional[T]) Decode(r *Reader) (*T, error) {
	there, err := o.flag.Decode(r)
	if err != nil {
		return nil, r.WrapField("flag", err)
	}
	if !there {
		return nil, nil
	}
	v, err := o.c.Decode(r)
	return &v, err
}

func (o optional[T]) Size() Size {
	s := SizeOf(o.flag).plus(SizeOf(o.c))
	s.Min = SizeOf(o.flag).Min
	return s
}

func (o optional[T]) opensFor(v *T) bool { return v != nil && opens(o.c, *v) }

type ifMore[T any] struct{ c Codec[T] }

func (ifMore[T]) isTail() {}

func (o ifMore[T]) Append(dst []byte, v *T) ([]byte, error) {
	if v == nil {
		return dst, nil
	}
	start := len(dst)
	dst, err := o.c.Append(dst, *v)
	if err == nil && len(dst) == start {
		return dst, because(ErrNoProgress, "a value of no bytes would come back as none")
	}
	return dst, err
}

func (o ifMore[T]) Decode(r *Reader) (*T, error) {
	if more, err := r.moreRest(); !more || err != nil {
		return nil, err
	}
	v, err := o.c.Decode(r)
	return &v, err
}

func (o ifMore[T]) Size() Size {
	s := SizeOf(o.c)
	return Size{Max: s.Max, Open: true, borrows: s.borrows}
}
