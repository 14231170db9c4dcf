package codec

import (
	"fmt"
	"slices"
)

// Delimited is c up to a delimiter, which is stripped on receipt. Its options:
//
//   - [Or]: other delimiters are understood as well. Where two begin at the same place the longest wins, so if only the
//     shorter has come, decoding waits for what follows.
//   - [KeepDelimiter]: the delimiter stays a part of what c decodes.
//   - [Escape]: a byte that makes the next one an ordinary one.
//   - [OrEnd]: the end of the frame around, or of the stream, ends the last value as a delimiter does.
//   - [Max]: of bytes before the delimiter; 64 KiB by default.
//
// A value that contains a delimiter is refused, unless it can be escaped. It is Gloss's delimited-frame, and with
// [Repeated] in it Gloss's repeated with delimiters.
//
//	Delimited(String, "\r\n", Or("\n")), "hi":
//	+----+----+----+----+
//	| 68 | 69 | 0d | 0a |
//	+----+----+----+----+
//
//	Delimited(String, ",", Escape('\\')), "a,b":
//	+----+----+----+----+----+
//	| 61 | 5c | 2c | 62 | 2c |
//	+----+----+----+----+----+
func Delimited[T any](c Codec[T], delimiter string, opts ...Option) Codec[T] {
	notNil(c, "Delimited")
	o := resolve("Delimited", opts, DefaultMaxLine, "Max", "Or", "KeepDelimiter", "Escape", "OrEnd")
	d := &delimited[T]{
		c: c, delims: newDelimiters("Delimited", delimiter, o.or), max: o.max, keep: o.keep, orEnd: o.orEnd,
		escapes: o.escapes, escape: o.escape, quick: quickIn(c),
	}
	if least := SizeOf(c).Min; least > o.max {
		panic(fmt.Sprintf("codec: Delimited: the codec takes at least %d bytes and the limit is %d; raise Max", least, o.max))
	}
	if d.escapes {
		d.checkEscape()
	}
	if d.keep && d.orEnd {
		panic("codec: Delimited: KeepDelimiter and OrEnd exclude each other: a value without its delimiter would be sent with one")
	}
	return d
}

// DelimitedBy is [Delimited] with the delimiter chosen for each value: choose returns one of delimiters. All of them are
// understood on receipt. It is Gloss's value->delimiter.
//
//	choose returns "\r\n" for "END", otherwise " "; "GET", then "END":
//	+----+----+----+----+----+----+----+----+----+
//	| 47 | 45 | 54 | 20 | 45 | 4e | 44 | 0d | 0a |
//	+----+----+----+----+----+----+----+----+----+
func DelimitedBy[T any](c Codec[T], choose func(T) string, delimiters ...string) Codec[T] {
	notNil(c, "DelimitedBy")
	if choose == nil || len(delimiters) == 0 {
		panic("codec: DelimitedBy: choose and at least one delimiter are needed")
	}
	d := newDelimiters("DelimitedBy", delimiters[0], delimiters[1:])
	return &delimited[T]{c: c, quick: quickIn(c), delims: d, max: DefaultMaxLine, choose: choose}
}

// Suffixed is c with these bytes behind it, which are checked on receipt. If c takes all bytes up to the end of its
// frame, it takes all but those. It is Gloss's suffix.
//
//	Suffixed(Prefixed(Delimited(Decimal[int](), ":"), String), ","), "abc": a netstring
//	+----+----+----+----+----+----+
//	| 33 | 3a | 61 | 62 | 63 | 2c |
//	+----+----+----+----+----+----+
func Suffixed[T any](c Codec[T], suffix string) Codec[T] {
	notNil(c, "Suffixed")
	return suffixed[T]{c, constant(suffix), SizeOf(c).Open}
}

// Netstring is c as a netstring (D. J. Bernstein, 1997): its length in decimal, a colon, its bytes, a comma. It takes
// the option [Max]. The length is read as the paper demands: no sign and no leading zeros.
func Netstring[T any](c Codec[T], opts ...Option) Codec[T] {
	length := Map(Delimited(RawString, ":", Max(19)), parseLength, func(n int) (string, error) { return itoa(n), nil })
	return Suffixed(Prefixed(length, c, opts...), ",")
}

type delimited[T any] struct {
	c       Codec[T]
	quick   quickDecoder[T] // c, if it is one
	delims  *delimiters
	max     int
	keep    bool
	orEnd   bool
	escapes bool
	escape  byte
	choose  func(T) string
}

func (c *delimited[T]) checkEscape() {
	for _, d := range c.delims.all {
		if len(d) > 1 || d[0] == c.escape {
			panic("codec: Delimited: Escape works with delimiters of one byte that is not the escape itself")
		}
	}
	if c.keep {
		panic("codec: Delimited: KeepDelimiter and Escape exclude each other")
	}
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
		if sent = c.choose(v); !c.knows(sent) {
			return dst, because(ErrMismatch, "%q is not among the delimiters", sent)
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

func (c *delimited[T]) knows(delim string) bool {
	return slices.ContainsFunc(c.delims.all, func(d []byte) bool { return string(d) == delim })
}

// check sees that the frame p will be found to have n bytes before its delimiter.
func (c *delimited[T]) check(p []byte, n int) error {
	if n > c.max {
		return tooLarge("a length", uint64(n), c.max)
	}
	if at, width := c.delims.find(p, 0, true); at != n || at+width != len(p) {
		return because(ErrMalformed, "the value contains the delimiter %q, at index %d", p[at:at+width], at)
	}
	return nil
}

func (c *delimited[T]) Decode(r *Reader) (v T, err error) {
	n, width, escaped, err := c.find(r)
	if err != nil {
		return v, err
	}
	if width == 0 && (!c.orEnd || n == 0) {
		return v, r.need(n + 1) // the end has come too early
	}
	if n > c.max && !escaped {
		return v, r.Fail(r.Offset(), tooLarge("a length", uint64(n), c.max))
	}
	if escaped {
		return c.decodeEscaped(r, n, width)
	}
	if c.keep {
		n, width = n+width, 0
	}
	outer, err := r.Limit(n)
	if err != nil {
		return v, err
	}
	if v, err = c.c.Decode(r); err != nil {
		return v, err
	}
	if err = r.Unlimit(outer); err != nil {
		return v, err
	}
	r.pos += width
	return v, nil
}

func (c *delimited[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	if c.quick == nil || c.escapes {
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

func (c *delimited[T]) find(r *Reader) (n, width int, escaped bool, err error) {
	if c.escapes {
		return c.findEscaped(r)
	}
	n, width, err = r.until(c.delims, c.max)
	return n, width, false, err
}

// findEscaped is find where some bytes do not count.
func (c *delimited[T]) findEscaped(r *Reader) (n, width int, escaped bool, err error) {
	for at := 0; ; at++ {
		if at > 2*c.max+1 {
			return 0, 0, false, r.Fail(r.Offset(), tooLarge("a length", uint64(at), c.max))
		}
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
	}
}

func (c *delimited[T]) decodeEscaped(r *Reader, n, width int) (v T, err error) {
	at := r.Offset()
	p, err := r.Next(n + width)
	if err != nil {
		return v, err
	}
	plain, ok := unescape(p[:n], c.escape)
	if !ok {
		return v, r.Fail(at+int64(n), because(ErrMalformed, "an escape with nothing behind it"))
	}
	if len(plain) > c.max {
		return v, r.Fail(at, tooLarge("a length", uint64(len(plain)), c.max))
	}
	return decodeInner(r, c.c, plain, at)
}

// escapeBytes puts escape in front of itself and of the bytes of special in dst[start:].
func escapeBytes(dst []byte, start int, escape byte, special *[256]bool) []byte {
	n := 0
	for _, b := range dst[start:] {
		if b == escape || special[b] {
			n++
		}
	}
	from := len(dst) - 1
	dst = append(dst, make([]byte, n)...)
	for to := len(dst) - 1; from >= start && to > from; from-- {
		b := dst[from]
		dst[to] = b
		to--
		if b == escape || special[b] {
			dst[to] = escape
			to--
		}
	}
	return dst
}

// unescape returns p without the escapes; it fails if p ends in one.
func unescape(p []byte, escape byte) ([]byte, bool) {
	plain := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == escape {
			if i++; i == len(p) {
				return nil, false
			}
		}
		plain = append(plain, p[i])
	}
	return plain, true
}

// decodeInner decodes c from p, which was made of the bytes from offset at on, and must use all of it.
func decodeInner[T any](r *Reader, c Codec[T], p []byte, at int64) (v T, err error) {
	inner := readers.Get().(*Reader)
	defer func() {
		inner.reset(nil)
		readers.Put(inner)
	}()
	inner.reset(p)
	inner.depth, inner.start = r.depth, at
	if v, err = c.Decode(inner); err != nil {
		return v, err
	}
	if left := len(p) - inner.pos; left > 0 {
		return v, inner.Fail(inner.Offset(), because(ErrTrailingData, "%d bytes left over", left))
	}
	return v, inner.err
}

func (c *delimited[T]) Size() Size {
	s := SizeOf(c.c)
	least := len(c.delims.all[len(c.delims.all)-1])
	if c.orEnd {
		least = 0
		s.Min = max(s.Min, 1)
	}
	most := addBound(min(s.Max, c.max), c.delims.shift+1)
	if c.escapes {
		most = addBound(most, min(s.Max, c.max))
	}
	return Size{Min: s.Min + least, Max: most}
}

type suffixed[T any] struct {
	c      Codec[T]
	suffix constant
	open   bool // c needs a frame
}

func (c suffixed[T]) Append(dst []byte, v T) ([]byte, error) {
	dst, err := c.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	return append(dst, c.suffix...), nil
}

func (c suffixed[T]) Decode(r *Reader) (v T, err error) {
	if v, err = c.decodeBody(r); err != nil {
		return v, err
	}
	_, err = c.suffix.Decode(r)
	return v, r.WrapField("suffix", err)
}

func (c suffixed[T]) decodeBody(r *Reader) (v T, err error) {
	if !c.open {
		return c.c.Decode(r)
	}
	n, err := rest(r)
	if err != nil {
		return v, err
	}
	outer, err := r.Limit(max(n-len(c.suffix), 0))
	if err != nil {
		return v, err
	}
	if v, err = c.c.Decode(r); err != nil {
		return v, err
	}
	return v, r.Unlimit(outer)
}

func (c suffixed[T]) Size() Size {
	s := SizeOf(c.c)
	return Size{Min: s.Min + len(c.suffix), Max: addBound(s.Max, len(c.suffix)), Open: s.Open}
}

// parseLength reads the length of a netstring.
func parseLength(s string) (int, error) {
	n, ok := parseDecimal[int]([]byte(s))
	if !ok || s[0] < '0' || s[0] > '9' || s[0] == '0' && s != "0" {
		return 0, because(ErrMalformed, "%q is not a length", s)
	}
	return n, nil
}
