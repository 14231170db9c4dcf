package codec

import "bytes"

// Separated is values of c with sep between them, and none after the last, up to the end of the frame around it, or of
// the stream. Zero bytes decode to no values, so a single value of no bytes is refused. It takes the option [Max], in
// values, 1,048,576 by default.
//
//	Prefixed(Uint8, Separated(String, ",")), "a", "b":
//	+----+----+----+----+
//	| 03 | 61 | 2c | 62 |
//	+----+----+----+----+
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
	if more, err := r.More(); !more || err != nil {
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

// Until is values of c up to end, which stands where another value would begin: the fields in the head of a message, up to
// an empty line. A value that begins with end is refused. It takes the option [Max], in values, 1,048,576 by default.
//
//	Until("\r\n", Lines.With(CRLF())), "a", "b":
//	+----+----+----+----+----+----+----+----+
//	| 61 | 0d | 0a | 62 | 0d | 0a | 0d | 0a |
//	+----+----+----+----+----+----+----+----+
func Until[T any](end string, c Codec[T], opts ...MaxOption) Codec[[]T] {
	if end == "" {
		panic("codec: Until: end is empty")
	}
	return until[T]{end, sequenceOf("Until", c), maxOf(opts, DefaultMaxCount)}
}

type until[T any] struct {
	end string
	sequence[T]
	max int
}

func (c until[T]) Append(dst []byte, all []T) (_ []byte, err error) {
	if len(all) > c.max {
		return dst, tooLarge("count", uint64(len(all)), c.max)
	}
	for i, v := range all {
		start := len(dst)
		if dst, err = c.c.Append(dst, v); err == nil && len(dst) == start {
			err = ErrNoProgress
		} else if err == nil && bytes.HasPrefix(dst[start:], []byte(c.end)) {
			err = because(ErrMalformed, "the value begins with %q, which ends the list", c.end)
		}
		if err != nil {
			return dst, WrapField(index(i), err)
		}
	}
	return append(dst, c.end...), nil
}

func (c until[T]) Decode(r *Reader) ([]T, error) {
	all, err := c.decodeWhile(r, []T{}, c.max, func() (bool, error) {
		over, err := c.ends(r)
		return !over, err
	})
	if err != nil {
		return nil, err
	}
	return all, r.Skip(len(c.end))
}

// ends reports whether end comes next. It waits for no byte more than it takes to know.
func (c until[T]) ends(r *Reader) (bool, error) {
	for n := 1; n <= len(c.end); n++ {
		p, err := r.Peek(n)
		if err != nil || p[n-1] != c.end[n-1] {
			return false, err
		}
	}
	return true, nil
}

func (c until[T]) Size() Size {
	return Size{Min: len(c.end), Max: Unbounded, borrows: c.size.borrows}
}
