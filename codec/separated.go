package codec

// Separated is values of c with sep between them, and none after the last, up to the end of the frame around it, or of
// the stream. Zero bytes decode to no values, so a single value of no bytes is refused. It takes the option [Max], in
// values, 1,048,576 by default.
//
//	Prefixed(Uint8, Separated(String, ",")), "a", "b":
//	| 03 | 61 | 2c | 62 |
func Separated[T any](c Codec[T], sep string, opts ...MaxOption) Codec[[]T] {
	notNil(c, "Separated")
	return separated[T]{c, newDelimiters("Separated", sep, nil), maxOf(opts, DefaultMaxCount)}
}

type separated[T any] struct {
	c   Codec[T]
	sep *delimiters
	max int
}

func (c separated[T]) Append(dst []byte, all []T) (_ []byte, err error) {
	if len(all) > c.max {
		return dst, tooLarge("count", uint64(len(all)), c.max)
	}
	first := len(dst)
	for i, v := range all {
		start := len(dst)
		if dst, err = c.c.Append(dst, v); err != nil {
			return dst, WrapField(index(i), err)
		}
		end := len(dst) - start
		if i < len(all)-1 {
			dst = append(dst, c.sep.sent...)
		}
		if at, _ := c.sep.find(dst[start:], 0, true); at != end {
			return dst, WrapField(index(i), because(ErrMalformed, "the separator %q would be found at index %d of the value", c.sep.sent, at))
		}
	}
	if len(all) == 1 && len(dst) == first {
		return dst, because(ErrNoProgress, "a single value of no bytes would come back as none")
	}
	return dst, nil
}

func (c separated[T]) Decode(r *Reader) ([]T, error) {
	all := []T{}
	if more, err := r.moreRest(); !more || err != nil {
		return all, err
	}
	left, err := rest(r)
	if err != nil {
		return nil, err
	}
	for i, end := 0, r.Offset()+int64(left); ; i++ {
		if i == c.max {
			return nil, r.Fail(r.Offset(), because(ErrTooLarge, "more than %d values", c.max))
		}
		p, err := r.Peek(int(end - r.Offset()))
		if err != nil {
			return nil, err
		}
		n, width := c.sep.find(p, 0, true)
		v, err := within(r, n, c.c)
		if err != nil {
			return nil, r.WrapField(index(i), err)
		}
		if all = append(all, v); width == 0 {
			return all, nil
		}
		if err := r.Skip(width); err != nil {
			return nil, err
		}
	}
}

func (c separated[T]) Size() Size {
	return Size{Max: Unbounded, Open: true, borrows: SizeOf(c.c).borrows}
}
