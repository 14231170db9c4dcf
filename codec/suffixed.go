package codec

// Suffixed is c with these bytes behind it, which are checked on receipt. If c takes all bytes up to the end of its
// frame, it takes all but those. It is Gloss's suffix.
//
//	Suffixed(Prefixed(Delimited(Decimal[int](), ":"), String), ","), "abc": a netstring
//	+----+----+----+----+----+----+
//	| 33 | 3a | 61 | 62 | 63 | 2c |
//	+----+----+----+----+----+----+
func Suffixed[T any](c Codec[T], suffix string) Codec[T] {
	notNil(c, "Suffixed")
	return suffixed[T]{c, constant(suffix)}
}

// Netstring is c as a netstring (D. J. Bernstein, 1997): its length in decimal, a colon, its bytes, a comma. It takes
// the option [Max]. The length is read as the paper demands: no sign and no leading zeros.
func Netstring[T any](c Codec[T], opts ...MaxOption) Codec[T] {
	length := Map(Delimited(RawString, ":", Max(19)), parseLength, func(n int) (string, error) { return itoa(n), nil })
	return Suffixed(Prefixed(length, c, Max(maxOf(opts, DefaultMax))), ",")
}

// parseLength reads the length of a netstring.
func parseLength(s string) (int, error) {
	n, ok := parseDecimal[int]([]byte(s))
	if !ok || s[0] < '0' || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, because(ErrMalformed, "invalid length %q", s)
	}
	return n, nil
}

type suffixed[T any] struct {
	c      Codec[T]
	suffix constant
}

func (c suffixed[T]) Append(dst []byte, v T) ([]byte, error) {
	dst, err := c.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	return append(dst, c.suffix...), nil
}

func (c suffixed[T]) Decode(r *Reader) (v T, err error) {
	if v, err = before(r, len(c.suffix), c.c); err != nil {
		return v, err
	}
	_, err = c.suffix.Decode(r)
	return v, r.WrapField("suffix", err)
}

func (c suffixed[T]) opensFor(v T) bool { return opens(c.c, v) }

func (c suffixed[T]) Size() Size {
	s := SizeOf(c.c)
	s.Min, s.Max = s.Min+len(c.suffix), addBound(s.Max, len(c.suffix))
	return s
}
