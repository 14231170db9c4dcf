package codec

import "slices"

// Delimited is c up to a delimiter, which is stripped when decoding. Its options:
//
//   - [Or]: other delimiters are recognized as well. If two start at the same place the longer one wins, so if only the
//     shorter one has arrived, decoding waits for the next byte.
//   - [KeepDelimiter]: c decodes the delimiter too.
//   - [Escape]: a byte that makes the next one an ordinary byte.
//   - [UnlessBefore]: a delimiter does not count if one of these bytes follows it.
//   - [OrEnd]: the end of the enclosing frame, or of the stream, ends the last value like a delimiter.
//   - [Max]: limits the bytes before the delimiter; 64 KiB by default.
//
// A value that contains a delimiter is rejected, unless it can be escaped.
//
//	Delimited(String, "\r\n", Or("\n")), "hi":
//	| 68 | 69 | 0d | 0a |
//
//	Delimited(String, ",", Escape('\\')), "a,b":
//	| 61 | 5c | 2c | 62 | 2c |
func Delimited[T any](c Codec[T], delimiter string, opts ...DelimitedOption) Codec[T] {
	notNil(c, "Delimited")
	o := delimitedOptions{max: DefaultMaxLine}
	for _, opt := range opts {
		opt.applyDelimited(&o)
	}
	d := &delimited[T]{c: c, delims: newDelimiters("Delimited", delimiter, o.or), delimitedOptions: o, quick: quickIn(c)}
	d.delims.unless = o.unless
	fits("Delimited: Max", o.max, SizeOf(c))
	if d.escapes {
		d.checkEscape()
	}
	refuse(d.keep && d.orEnd, "Delimited: KeepDelimiter and OrEnd exclude each other: a value without its delimiter would be sent with one")
	return d
}

// DelimitedBy is [Delimited] with the delimiter chosen for each value: choose returns one of delimiters. All of them
// are understood when decoding.
//
//	choose returns "\r\n" for "END", otherwise " "; "GET", then "END":
//	| 47 | 45 | 54 | 20 | 45 | 4e | 44 | 0d | 0a |
func DelimitedBy[T any](c Codec[T], choose func(T) string, delimiters ...string) Codec[T] {
	notNil(c, "DelimitedBy")
	refuse(choose == nil || len(delimiters) == 0, "DelimitedBy: choose and at least one delimiter are needed")
	d := newDelimiters("DelimitedBy", delimiters[0], delimiters[1:])
	return &delimited[T]{c: c, quick: quickIn(c), delims: d, delimitedOptions: delimitedOptions{max: DefaultMaxLine}, choose: choose}
}

type delimited[T any] struct {
	delimitedOptions
	c      Codec[T]
	quick  quickDecoder[T] // c, if it is one
	delims *delimiters
	choose func(T) string
}

func (c *delimited[T]) checkEscape() {
	for _, d := range c.delims.all {
		refuse(len(d) > 1 || d[0] == c.escape, "Delimited: Escape works with delimiters of one byte that is not the escape itself")
	}
	refuse(c.keep || c.unless != "", "Delimited: Escape excludes KeepDelimiter and UnlessBefore")
}

func (c *delimited[T]) Append(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := c.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	if plain := len(dst) - start; c.escapes && plain <= c.max {
		return append(escapeBytes(dst, start, c.escape, &c.delims.first), c.delims.sent...), nil
	}
	sent := c.delims.sent
	if c.choose != nil {
		if sent = c.choose(v); !slices.ContainsFunc(c.delims.all, func(d []byte) bool { return string(d) == sent }) {
			return dst, because(ErrMismatch, "%q is not one of the delimiters", sent)
		}
	}
	n := len(dst) - start
	if end := c.delims.ends(dst[start:]); c.keep && end > 0 {
		n -= end
	} else {
		dst = append(dst, sent...)
	}
	return dst, c.check(dst[start:], n)
}

// check sees that the frame p will be found to have n bytes before its delimiter.
func (c *delimited[T]) check(p []byte, n int) error {
	if n > c.max {
		return tooLarge("length", uint64(n), c.max)
	}
	if at, width := c.delims.find(p, 0, true); at != n || at+width != len(p) {
		return because(ErrMalformed, "the value contains the delimiter %q, at index %d", p[at:at+width], at)
	}
	return nil
}

func (c *delimited[T]) Decode(r *Reader) (v T, err error) {
	n, width, escaped := 0, 0, false
	if c.escapes {
		n, width, escaped, err = c.findEscaped(r)
	} else {
		n, width, err = r.until(c.delims.sent, c.max, c.delims.find)
	}
	if err != nil {
		return v, err
	}
	if width == 0 && (!c.orEnd || n == 0) {
		return v, r.need(n + 1) // the end has come too early
	}
	if n > c.max && !escaped {
		return v, r.Fail(r.Offset(), tooLarge("length", uint64(n), c.max))
	}
	if escaped {
		return c.decodeEscaped(r, n, width)
	}
	if c.keep {
		n, width = n+width, 0
	}
	if v, err = within(r, n, c.c); err != nil {
		return v, err
	}
	r.pos += width
	return v, nil
}

func (c *delimited[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	if c.escapes {
		return 0, false
	}
	n, width, ok := c.delims.findQuick(p)
	if !ok || n > c.max {
		return 0, false
	}
	body := n
	if c.keep {
		body += width
	}
	used, ok := c.quick.decodeQuick(p[:body:body], own, v)
	return n + width, ok && used == body
}

func (c *delimited[T]) isQuick() bool { return c.quick != nil }

// findEscaped is Reader.until where some bytes do not count: max bounds those that are left without the escapes.
func (c *delimited[T]) findEscaped(r *Reader) (n, width int, escaped bool, err error) {
	plain := 0
	for at := 0; ; at++ {
		if over, err := r.runsOut(at + 1); err != nil || over {
			return at, 0, escaped, err
		}
		switch b := r.buf[r.pos+at]; {
		case b == c.escape:
			at++
			escaped = true
		case c.delims.first[b]:
			return at, 1, escaped, nil
		}
		if plain++; plain > c.max {
			return 0, 0, false, r.Fail(r.Offset(), tooLarge("length", uint64(plain), c.max))
		}
	}
}

func (c *delimited[T]) decodeEscaped(r *Reader, n, width int) (v T, err error) {
	at := r.Offset()
	if have := len(r.buf) - r.pos; width == 0 && n > have {
		return v, r.Fail(at+int64(have), because(ErrMalformed, "escape at the end of the value"))
	}
	p, err := r.Next(n + width)
	if err != nil {
		return v, err
	}
	return decodeInner(r, c.c, p[:n], at, func(p []byte, wire *[]int) ([]byte, int) { return unescape(p, c.escape, wire) })
}

// escapeBytes puts escape in front of itself and of the bytes of delims in dst[start:].
func escapeBytes(dst []byte, start int, escape byte, delims *[256]bool) []byte {
	special := func(b byte) bool { return b == escape || delims[b] }
	at := slices.IndexFunc(dst[start:], special)
	if at < 0 {
		return dst
	}
	plain := slices.Clone(dst[start+at:])
	dst = dst[:start+at]
	for _, b := range plain {
		if special(b) {
			dst = append(dst, escape)
		}
		dst = append(dst, b)
	}
	return dst
}

// unescape returns p without its escape bytes. The last byte of p must not be one.
func unescape(p []byte, escape byte, wire *[]int) (plain []byte, bad int) {
	plain = make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == escape && i+1 < len(p) {
			i++
		}
		plain = took(plain, p[i], i, wire)
	}
	return plain, -1
}

func (c *delimited[T]) Size() Size {
	s := SizeOf(c.c)
	least := len(c.delims.all[len(c.delims.all)-1])
	if c.keep {
		s.Min = max(s.Min-least, 0) // it has the delimiter
	}
	if c.orEnd {
		least = 0
		s.Min = max(s.Min, 1)
	}
	most := addBound(min(s.Max, c.max), c.delims.shift+1) // shift is of the longest
	if c.escapes {
		most = addBound(most, min(s.Max, c.max))
	}
	return Size{Min: s.Min + least, Max: most, borrows: s.borrows}
}
