package codec

import "fmt"

// Header is a tag that picks the codec of the body behind it; on sending the value says which tag that is. body returns
// nil for a tag that it does not know, which is an error in either direction; it is called for each frame and returns
// codecs made before. It is Gloss's header.
//
//	Header(Uint8, body, tagOf), a text with the tag 1:
//	+----+----+----+----+----+
//	| 01 | 00 | 02 | 68 | 69 |
//	+----+----+----+----+----+
func Header[H, T any](tag Codec[H], body func(H) Codec[T], tagOf func(T) H) Codec[T] {
	notNil(tag, "Header: tag")
	closed("Header: tag", SizeOf(tag))
	if body == nil || tagOf == nil {
		panic("codec: Header: both functions are needed")
	}
	return header[H, T]{tag, body, tagOf}
}

type header[H, T any] struct {
	tag   Codec[H]
	body  func(H) Codec[T]
	tagOf func(T) H
}

func (c header[H, T]) Append(dst []byte, v T) ([]byte, error) {
	h := c.tagOf(v)
	body := c.body(h)
	if body == nil {
		return dst, because(ErrMismatch, "no codec for the tag %v", h)
	}
	dst, err := c.tag.Append(dst, h)
	if err != nil {
		return dst, WrapField("tag", err)
	}
	return body.Append(dst, v)
}

func (c header[H, T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	h, err := c.tag.Decode(r)
	if err != nil {
		return v, r.WrapField("tag", err)
	}
	body := c.body(h)
	if body == nil {
		return v, r.WrapField("tag", r.Fail(start, because(ErrMismatch, "no codec for the tag %v", h)))
	}
	return body.Decode(r)
}

func (c header[H, T]) Size() Size { return Size{Min: SizeOf(c.tag).Min, Max: Unbounded} }

// OneOf is any of the types that implement I, each behind its tag: a sum type as Go has them.
//
//	OneOf(Uint8,
//		Case[Shape](1, circleCodec),
//		Case[Shape](2, squareCodec))
//
//	Square(3):
//	+----+----+
//	| 02 | 03 |
//	+----+----+
func OneOf[N comparable, I any](tag Codec[N], cases ...CaseOf[N, I]) Codec[I] {
	notNil(tag, "OneOf: tag")
	closed("OneOf: tag", SizeOf(tag))
	if len(cases) == 0 {
		panic("codec: OneOf: at least one Case is needed")
	}
	c := oneOf[N, I]{tag: tag, cases: cases, byTag: map[N]int{}, size: Size{Min: Unbounded}}
	for i, one := range cases {
		if _, twice := c.byTag[one.tag]; twice {
			panic(fmt.Sprintf("codec: OneOf: the tag %v is there twice", one.tag))
		}
		c.byTag[one.tag] = i
		c.size.Min = min(c.size.Min, one.size.Min)
		c.size.Max = max(c.size.Max, one.size.Max)
		c.size.Open = c.size.Open || one.size.Open
	}
	c.size = SizeOf(tag).plus(c.size)
	return c
}

// CaseOf is one alternative of a [OneOf].
type CaseOf[N comparable, I any] struct {
	tag    N
	size   Size
	append func(dst []byte, v I) (_ []byte, mine bool, err error)
	decode func(r *Reader) (I, error)
}

// Case says that a value of I whose type is T has this tag and codec. It panics if T does not implement I.
func Case[I, T any, N comparable](tag N, c Codec[T]) CaseOf[N, I] {
	notNil(c, "Case")
	var zero T
	if _, ok := any(zero).(I); !ok {
		panic(fmt.Sprintf("codec: Case: %T does not implement %T", zero, (*I)(nil)))
	}
	return CaseOf[N, I]{
		tag: tag, size: SizeOf(c),
		append: func(dst []byte, v I) ([]byte, bool, error) {
			t, ok := any(v).(T)
			if !ok {
				return dst, false, nil
			}
			dst, err := c.Append(dst, t)
			return dst, true, err
		},
		decode: func(r *Reader) (v I, err error) {
			t, err := c.Decode(r)
			if err != nil {
				return v, err
			}
			return any(t).(I), nil
		},
	}
}

type oneOf[N comparable, I any] struct {
	tag   Codec[N]
	cases []CaseOf[N, I]
	byTag map[N]int
	size  Size
}

func (c oneOf[N, I]) Append(dst []byte, v I) ([]byte, error) {
	start := len(dst)
	for _, one := range c.cases {
		dst, err := c.tag.Append(dst[:start], one.tag)
		if err != nil {
			return dst, WrapField("tag", err)
		}
		dst, mine, err := one.append(dst, v)
		if mine || err != nil {
			return dst, err
		}
	}
	return dst, because(ErrMismatch, "no Case for a value of type %T", v)
}

func (c oneOf[N, I]) Decode(r *Reader) (v I, err error) {
	start := r.Offset()
	tag, err := c.tag.Decode(r)
	if err != nil {
		return v, r.WrapField("tag", err)
	}
	i, known := c.byTag[tag]
	if !known {
		return v, r.WrapField("tag", r.Fail(start, because(ErrMismatch, "no Case for the tag %v", tag)))
	}
	return c.cases[i].decode(r)
}

func (c oneOf[N, I]) Size() Size { return c.size }
