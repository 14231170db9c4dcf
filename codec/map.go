package codec

import "reflect"

// Map returns a codec of other values: decode converts the values that c decodes, and encode those that it sends. Both
// may fail. If the types differ only in name, use [As].
//
// decode must not modify its argument, such as the bytes of a slice: if ctx ends, the call is repeated, and a large
// body that has arrived is passed to decode again. encode must not modify its argument either, since it is the sender's
// value.
//
//	seconds := codec.Map(codec.Uint32,
//		func(n uint32) (time.Duration, error) { return time.Duration(n) * time.Second, nil },
//		func(d time.Duration) (uint32, error) { return uint32(d / time.Second), nil })
//
//	5 * time.Second:
//	| 00 | 00 | 00 | 05 |
func Map[A, B any](c Codec[A], decode func(A) (B, error), encode func(B) (A, error)) Codec[B] {
	notNil(c, "Map")
	refuse(decode == nil || encode == nil, "Map: both functions are needed; one that is never called may return errors.ErrUnsupported")
	return mapped[A, B]{c, decode, encode, quickIn(c)}
}

type mapped[A, B any] struct {
	c      Codec[A]
	decode func(A) (B, error)
	encode func(B) (A, error)
	quick  quickDecoder[A] // c, if it is one
}

func (m mapped[A, B]) Append(dst []byte, v B) ([]byte, error) {
	a, err := m.encode(v)
	if err != nil {
		return dst, err
	}
	return m.c.Append(dst, a)
}

func (m mapped[A, B]) AppendHead(dst []byte, v B) (head, body []byte, err error) {
	a, err := m.encode(v)
	if err != nil {
		return dst, nil, err
	}
	return appendHead(m.c, dst, a)
}

func (m mapped[A, B]) Decode(r *Reader) (v B, err error) {
	start, copies := r.Offset(), r.copies
	r.copies = false // decode may get a borrowed value
	a, err := m.c.Decode(r)
	if r.copies = copies; err != nil {
		return v, err
	}
	if v, err = m.decode(a); err != nil {
		return v, r.Fail(start, err)
	}
	return v, nil
}

// Size returns the size of c. The result of decode is assumed not to refer to a borrowed value.
func (m mapped[A, B]) Size() Size {
	s := SizeOf(m.c)
	s.borrows = false
	return s
}

func (m mapped[A, B]) opensFor(v B) bool {
	a, err := m.encode(v)
	return err == nil && opens(m.c, a)
}

// As is c for a type B that differs from A only in its name, such as type QoS uint8 or type Topic string.
//
//	As[QoS](Uint8), QoS(1):
//	| 01 |
func As[B, A any](c Codec[A]) Codec[B] {
	notNil(c, "As")
	a, b := reflect.TypeFor[A](), reflect.TypeFor[B]()
	refuse(a.Kind() != b.Kind() || a.Kind() == reflect.Interface || !a.ConvertibleTo(b), "As: %v and %v differ in more than their names; use Map", a, b)
	return as[B, A]{c, quickIn(c)}
}

type as[B, A any] struct {
	c     Codec[A]
	quick quickDecoder[A] // c, if it is one
}

func (c as[B, A]) Append(dst []byte, v B) ([]byte, error) { return c.c.Append(dst, *renamed[A](&v)) }

func (c as[B, A]) AppendHead(dst []byte, v B) (head, body []byte, err error) {
	return appendHead(c.c, dst, *renamed[A](&v))
}

func (c as[B, A]) Decode(r *Reader) (B, error) {
	a, err := c.c.Decode(r)
	return *renamed[B](&a), err
}

func (c as[B, A]) decodeQuick(p []byte, own cloner, v *B) (n int, ok bool) {
	return c.quick.decodeQuick(p, own, renamed[A](v))
}

func (c as[B, A]) isQuick() bool     { return c.quick != nil }
func (c as[B, A]) Size() Size        { return SizeOf(c.c) }
func (c as[B, A]) opensFor(v B) bool { return opens(c.c, *renamed[A](&v)) }
func (c as[B, A]) renamed() any      { return underlying(c.c) }
