package codec

import "fmt"

// Prefixed is body behind its length in bytes. It takes the options [Max], 16 MiB by default, and [Adjust].
//
//	Prefixed(Uint32, String), "hello":
//	+----+----+----+----+----+----+----+----+----+
//	| 00 | 00 | 00 | 05 | 68 | 65 | 6c | 6c | 6f |
//	+----+----+----+----+----+----+----+----+----+
//
//	Prefixed(Uint16, String, Adjust(2)), "abc": the length counts itself
//	+----+----+----+----+----+
//	| 00 | 05 | 61 | 62 | 63 |
//	+----+----+----+----+----+
//
// The limit, and what the length can express if that is less, holds in both directions; a length that a peer claims
// allocates nothing. The body is confined to its bytes and must use them all. It is Gloss's finite-frame; an empty body
// is an empty value, not none.
func Prefixed[N Integer, T any](length Codec[N], body Codec[T], opts ...Option) Codec[T] {
	notNil(length, "Prefixed: length")
	notNil(body, "Prefixed: body")
	o := resolve("Prefixed", opts, DefaultMax, "Max", "Adjust")
	most := o.max
	if l, ok := length.(interface{ largest() uint64 }); ok {
		expressed := int64(min(l.largest(), 1<<62)) - int64(o.adjust)
		if expressed < 0 {
			panic(fmt.Sprintf("codec: Prefixed: Adjust(%d) is more than the length can express, %d", o.adjust, l.largest()))
		}
		most = int(min(int64(most), expressed))
	}
	if SizeOf(length).Open {
		panic("codec: Prefixed: the length has no end of its own; use a number, or text with a delimiter")
	}
	if least := SizeOf(body).Min; least > most {
		panic(fmt.Sprintf("codec: Prefixed: the body takes at least %d bytes and the limit is %d; raise Max or widen the length", least, most))
	}
	p := prefixed[N, T]{length, body, quickOf(headOf(length, o.adjust, most), body)}
	if tail, ok := body.(BodyCodec[T]); ok {
		return &prefixedBody[N, T]{p, tail}
	}
	return &p
}

type prefixed[N Integer, T any] struct {
	length Codec[N]
	body   Codec[T]
	quickPrefixed[T]
}

// wire returns n bytes of body as the number that is sent.
func (p *prefixed[N, T]) wire(n int) (N, error) {
	if n > p.head.max {
		return 0, tooLarge("a length", uint64(n), p.head.max)
	}
	w := n + p.head.adjust
	if w < 0 || int64(N(w)) != int64(w) || N(w) < 0 {
		return 0, because(ErrTooLarge, "a length of %d cannot be expressed", w)
	}
	return N(w), nil
}

func (p *prefixed[N, T]) Append(dst []byte, v T) ([]byte, error) {
	if p.head.width == 0 {
		return p.appendRotated(dst, v)
	}
	if dst, ok := p.appendQuick(dst, hidden(&v)); ok {
		return dst, nil
	}
	start := len(dst)
	dst, err := p.body.Append(p.head.reserve(dst), v)
	if err != nil {
		return dst[:start], err
	}
	if p.head.put(dst[start:], 0) {
		return dst, nil
	}
	w, err := p.wire(len(dst) - start - p.head.width)
	if err != nil {
		return dst[:start], err
	}
	if _, err := p.length.Append(dst[:start], w); err != nil { // in place of the zeros
		return dst[:start], WrapField("length", err)
	}
	return dst, nil
}

// zeros hold the place of a length.
var zeros [16]byte

// appendRotated is Append for a length whose own width depends on it: it is encoded behind the body and then moved.
func (p *prefixed[N, T]) appendRotated(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := p.body.Append(dst, v)
	if err != nil {
		return dst[:start], err
	}
	mid := len(dst)
	w, err := p.wire(mid - start)
	if err != nil {
		return dst[:start], err
	}
	if dst, err = p.length.Append(dst, w); err != nil {
		return dst[:start], WrapField("length", err)
	}
	rotate(dst[start:], mid-start)
	return dst, nil
}

// rotate moves p[n:], which is short, to the front.
func rotate(p []byte, n int) {
	var moved [32]byte
	for len(p) > n {
		k := min(len(p)-n, len(moved))
		tail := p[len(p)-k:]
		copy(moved[:k], tail)
		copy(p[k:], p[:len(p)-k])
		copy(p, moved[:k])
		n += k
	}
}

func (p *prefixed[N, T]) Decode(r *Reader) (v T, err error) {
	outer, err := p.open(r)
	if err != nil {
		return v, err
	}
	if v, err = p.body.Decode(r); err != nil {
		return v, err
	}
	return v, r.Unlimit(outer)
}

// open reads the length and confines r to the body.
func (p *prefixed[N, T]) open(r *Reader) (outer int, err error) {
	if n := p.head.length(r.buf[r.pos:]); n >= 0 {
		r.pos += p.head.width
		return r.Limit(n)
	}
	start := r.Offset()
	w, err := p.length.Decode(r)
	if err != nil {
		return 0, r.WrapField("length", err)
	}
	n := int64(w) - int64(p.head.adjust)
	if w > 0 && int64(w) < 0 || n > int64(p.head.max) {
		return 0, r.WrapField("length", r.Fail(start, tooLarge("a length", uint64(w), p.head.max)))
	}
	if n < 0 {
		return 0, r.WrapField("length", r.Fail(start, because(ErrMalformed, "a length of %d, where %d is the least", w, p.head.adjust)))
	}
	return r.Limit(int(n))
}

func (p *prefixed[N, T]) Size() Size {
	length := SizeOf(p.length)
	body := SizeOf(p.body)
	return Size{Min: length.Min + body.Min, Max: addBound(length.Max, min(body.Max, p.head.max))}
}

// prefixedBody is prefixed with a body that need not be copied.
type prefixedBody[N Integer, T any] struct {
	prefixed[N, T]
	tail BodyCodec[T]
}

func (p *prefixedBody[N, T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	if p.head.width == 0 {
		return p.appendHeadRotated(dst, v)
	}
	start := len(dst)
	dst, body, err = p.tail.AppendHead(p.head.reserve(dst), v)
	if err != nil {
		return dst[:start], nil, err
	}
	if p.head.put(dst[start:], len(body)) {
		return dst, body, nil
	}
	w, err := p.wire(len(dst) - start - p.head.width + len(body))
	if err != nil {
		return dst[:start], nil, err
	}
	if _, err := p.length.Append(dst[:start], w); err != nil {
		return dst[:start], nil, WrapField("length", err)
	}
	return dst, body, nil
}

func (p *prefixedBody[N, T]) appendHeadRotated(dst []byte, v T) (head, body []byte, err error) {
	start := len(dst)
	dst, body, err = p.tail.AppendHead(dst, v)
	if err != nil {
		return dst[:start], nil, err
	}
	mid := len(dst)
	w, err := p.wire(mid - start + len(body))
	if err != nil {
		return dst[:start], nil, err
	}
	if dst, err = p.length.Append(dst, w); err != nil {
		return dst[:start], nil, WrapField("length", err)
	}
	rotate(dst[start:], mid-start)
	return dst, body, nil
}
