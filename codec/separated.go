package codec

// Separated is values of c with sep between them and none after the last, up to the end of the enclosing frame or
// stream. An empty frame is no values, so a single value of no bytes is rejected. It takes the option [Max], in values,
// 1,048,576 by default.
//
//	Prefixed(Uint8, Separated(String, ",")), "a", "b":
//	| 03 | 61 | 2c | 62 |
func Separated[T any](c Codec[T], sep string, opts ...MaxOption) Codec[[]T] {
	notNil(c, "Separated")
	s := sequence[T]{c: c, max: maxOf(opts, DefaultMaxCount), empty: true, sep: newDelimiters("Separated", sep, nil)}
	s.each.borrows = SizeOf(c).borrows
	return until[T]{s}
}

// separate appends the separator to the value at dst[start:], unless the value is the last. It rejects a value that
// would be decoded as another.
func (s *sequence[T]) separate(dst []byte, start int, last, only bool) ([]byte, error) {
	end := len(dst) - start
	if only && end == 0 {
		return dst, because(ErrNoProgress, "a single value of no bytes would come back as none")
	}
	if !last {
		dst = append(dst, s.sep.sent...)
	}
	if at, _ := s.sep.find(dst[start:], 0, true); at != end {
		return dst, because(ErrMalformed, "the separator %q would be found at index %d of the value", s.sep.sent, at)
	}
	return dst, nil
}

// one decodes a value. If there are separators, the value ends at the next one or at the end of the frame or stream.
func (s *sequence[T]) one(r *Reader) (v T, err error) {
	if s.sep == nil {
		return s.c.Decode(r)
	}
	left, err := rest(r)
	if err != nil {
		return v, err
	}
	p, err := r.Peek(left)
	if err != nil {
		return v, err
	}
	n, _ := s.sep.find(p, 0, true)
	return within(r, n, s.c)
}
