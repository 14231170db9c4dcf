package codec

import "fmt"

// Header is a tag that picks the codec of the body after it; when encoding, the value says which tag that is. body
// returns nil for a tag that it does not know, which is an error in either direction; it is called for each frame and
// returns codecs made before. A body that is open-ended is refused where others follow. For a value that keeps its tag,
// see [PairBy].
//
//	Header(Uint8, body, tagOf), a text with the tag 1:
//	+----+----+----+----+----+
//	| 01 | 00 | 02 | 68 | 69 |
//	+----+----+----+----+----+
func Header[H, T any](tag Codec[H], body func(H) Codec[T], tagOf func(T) H) Codec[T] {
	notNil(tag, "Header: tag")
	if body == nil || tagOf == nil {
		panic("codec: Header: both functions are needed")
	}
	return header[H, T]{ended("Header: tag", tag), body, tagOf}
}

type header[H, T any] struct {
	tag   Codec[H]
	body  func(H) Codec[T]
	tagOf func(T) H
}

func (c header[H, T]) Append(dst []byte, v T) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c header[H, T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	h := c.tagOf(v)
	codec := c.body(h)
	if codec == nil {
		return dst, nil, because(ErrMismatch, "unknown tag %v", h)
	}
	if dst, err = c.tag.Append(dst, h); err != nil {
		return dst, nil, WrapField("tag", err)
	}
	return appendHead(codec, dst, v)
}

func (c header[H, T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	h, err := c.tag.Decode(r)
	if err != nil {
		return v, r.WrapField("tag", err)
	}
	body := c.body(h)
	if body == nil {
		return v, r.WrapField("tag", r.Fail(start, because(ErrMismatch, "unknown tag %v", h)))
	}
	return body.Decode(r)
}

func (c header[H, T]) opensFor(v T) bool {
	body := c.body(c.tagOf(v))
	return body != nil && opens(body, v)
}

func (c header[H, T]) Size() Size { return SizeOf(c.tag).plus(unknownSize) }

// FirstByte is one of several codecs that the first byte of the frame tells apart, which is a part of what they decode:
// receive returns the codec for a first byte, send the one for a value, and nil for an error. Both return codecs made
// before.
//
//	FirstByte(
//		func(b byte) Codec[Packet] { return packets[b>>4] },
//		func(p Packet) Codec[Packet] { return packets[p.Kind()] })
func FirstByte[T any](receive func(first byte) Codec[T], send func(v T) Codec[T]) Codec[T] {
	if receive == nil || send == nil {
		panic("codec: FirstByte: both functions are needed")
	}
	return firstByte[T]{receive, send}
}

type firstByte[T any] struct {
	receive func(first byte) Codec[T]
	send    func(v T) Codec[T]
}

func (c firstByte[T]) Append(dst []byte, v T) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c firstByte[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	codec := c.send(v)
	if codec == nil {
		return dst, nil, because(ErrMismatch, "no codec for %T", v)
	}
	start := len(dst)
	head, body, err = appendHead(codec, dst, v)
	if err == nil && len(head) > start && c.receive(head[start]) == nil {
		return dst, nil, because(ErrMismatch, "unknown first byte %#02x", head[start])
	}
	return head, body, err
}

func (c firstByte[T]) Decode(r *Reader) (v T, err error) {
	p, err := r.Peek(1)
	if err != nil {
		return v, err
	}
	codec := c.receive(p[0])
	if codec == nil {
		return v, r.Fail(r.Offset(), because(ErrMismatch, "unknown first byte %#02x", p[0]))
	}
	return codec.Decode(r)
}

func (c firstByte[T]) opensFor(v T) bool {
	codec := c.send(v)
	return codec != nil && opens(codec, v)
}

func (firstByte[T]) Size() Size { return Size{Min: 1, Max: Unbounded, varies: true} }

// OneOf is any of the types that implement I, each after its tag: a sum type as Go has them. The tags have the type
// that tag decodes to. A [Default] keeps what has another tag.
//
//	OneOf(Uint8,
//		Case[Shape](uint8(1), circleCodec),
//		Case[Shape](uint8(2), squareCodec))
//
//	Square(3):
//	+----+----+
//	| 02 | 03 |
//	+----+----+
func OneOf[N comparable, I any](tag Codec[N], cases ...CaseOf[N, I]) Codec[I] {
	notNil(tag, "OneOf: tag")
	if len(cases) == 0 {
		panic("codec: OneOf: at least one Case is needed")
	}
	c := &oneOf[N, I]{tag: ended("OneOf: tag", tag), cases: cases, byTag: map[N]int{}, other: -1, size: Size{Min: Unbounded}}
	for i, one := range cases {
		_, twice := c.byTag[one.tag]
		switch {
		case one.other && c.other >= 0:
			panic("codec: OneOf: there are two Defaults")
		case one.other:
			c.other = i
		case twice:
			panic(fmt.Sprintf("codec: OneOf: the tag %v is there twice", one.tag))
		default:
			c.byTag[one.tag] = i
		}
		c.size.Min = min(c.size.Min, one.size.Min)
		c.size.Max = max(c.size.Max, one.size.Max)
		c.size.Open = c.size.Open || one.size.Open
		c.size.varies = c.size.varies || one.size.varies
		c.size.borrows = c.size.borrows || one.size.borrows
	}
	c.size = SizeOf(c.tag).plus(c.size)
	return c
}

// CaseOf is one alternative of a [OneOf]. It is made by [Case] or [Default].
type CaseOf[N comparable, I any] struct {
	tag    N
	other  bool // it has all tags that no other case has
	size   Size
	append func(dst []byte, v I, in *oneOf[N, I]) (head, body []byte, mine bool, err error)
	decode func(r *Reader, tag N) (I, error)
}

// Case says that a value of I whose type is T has this tag and codec. It panics if T does not implement I.
func Case[I, T any, N comparable](tag N, c Codec[T]) CaseOf[N, I] {
	same := func(_ N, v T) T { return v }
	one := newCase[I]("Case", c, same, func(v T) (N, T) { return tag, v })
	one.tag = tag
	return one
}

// Default is the case for all tags that no [Case] has: its body is decoded by c, and join makes of it and its tag a T, which
// keeps both; split takes a T apart. A T with the tag of a Case is refused. It panics if T does not implement I.
//
//	Default[Shape](Bytes,
//		func(tag uint8, body []byte) Unknown { return Unknown{tag, body} },
//		func(u Unknown) (uint8, []byte) { return u.Tag, u.Body })
func Default[I, T, B any, N comparable](c Codec[B], join func(tag N, body B) T, split func(T) (N, B)) CaseOf[N, I] {
	if join == nil || split == nil {
		panic("codec: Default: both functions are needed")
	}
	one := newCase[I]("Default", c, join, split)
	one.other = true
	return one
}

func newCase[I, T, B any, N comparable](where string, c Codec[B], join func(N, B) T, split func(T) (N, B)) CaseOf[N, I] {
	notNil(c, where)
	var zero T
	if _, ok := any(zero).(I); !ok {
		panic(fmt.Sprintf("codec: %s: %T does not implement %T", where, zero, (*I)(nil)))
	}
	return CaseOf[N, I]{
		size: SizeOf(c),
		append: func(dst []byte, v I, in *oneOf[N, I]) (head, body []byte, mine bool, err error) {
			t, ok := any(v).(T)
			if !ok {
				return dst, nil, false, nil
			}
			n, b := split(t)
			if _, known := in.byTag[n]; known && where == "Default" {
				return dst, nil, true, because(ErrMismatch, "tag %v has a Case of its own", n)
			}
			if dst, err = in.tag.Append(dst, n); err != nil {
				return dst, nil, true, WrapField("tag", err)
			}
			head, body, err = appendHead(c, dst, b)
			return head, body, true, err
		},
		decode: func(r *Reader, tag N) (v I, err error) {
			b, err := c.Decode(r)
			if err != nil {
				return v, err
			}
			return any(join(tag, b)).(I), nil
		},
	}
}

type oneOf[N comparable, I any] struct {
	tag   Codec[N]
	cases []CaseOf[N, I]
	byTag map[N]int
	other int // the index of the Default, or -1
	size  Size
}

func (c *oneOf[N, I]) Append(dst []byte, v I) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c *oneOf[N, I]) AppendHead(dst []byte, v I) (head, body []byte, err error) {
	for i := range c.cases {
		if head, body, mine, err := c.cases[i].append(dst, v, c); mine {
			return head, body, err
		}
	}
	return dst, nil, because(ErrMismatch, "no case for type %T", v)
}

func (c *oneOf[N, I]) Decode(r *Reader) (v I, err error) {
	start := r.Offset()
	tag, err := c.tag.Decode(r)
	if err != nil {
		return v, r.WrapField("tag", err)
	}
	i, known := c.byTag[tag]
	if !known {
		i = c.other
	}
	if i < 0 {
		return v, r.WrapField("tag", r.Fail(start, because(ErrMismatch, "unknown tag %v", tag)))
	}
	return c.cases[i].decode(r, tag)
}

func (c *oneOf[N, I]) Size() Size { return c.size }
