package codec

import "math"

// Codec encodes and decodes values of T. A Codec works in both directions, for any number of connections, and is safe
// for concurrent use: it holds no state of a stream.
//
// A decoder is straight-line code. It reads from r as if all bytes were there; the Reader waits for missing ones. It
// must be a pure function of the bytes, because a call whose ctx ended is repeated from the frame's first byte.
type Codec[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice. If it fails, what it appended is
	// discarded. It must not block, and must not retain dst or v.
	Append(dst []byte, v T) ([]byte, error)

	// Decode reads one value. It must return errors of r, wrapped or not; any other error means that the bytes are
	// invalid. It must retain neither r nor a slice borrowed from r.
	Decode(r *Reader) (T, error)
}

// BodyCodec is implemented by a Codec whose frames may end in a long run of bytes that the value already holds. [Encode]
// writes that body without a copy.
type BodyCodec[T any] interface {
	Codec[T]

	// AppendHead appends what precedes body, which is part of v. dst followed by body must equal the result of Append.
	AppendHead(dst []byte, v T) (head, body []byte, err error)
}

// split is a codec and its BodyCodec form, if it has one.
type split[T any] struct {
	Codec[T]
	head BodyCodec[T] // or nil
}

func splitOf[T any](c Codec[T]) split[T] {
	b, _ := full(c).(BodyCodec[T])
	return split[T]{c, b}
}

func (s *split[T]) appendHead(dst []byte, v T) (head, body []byte, err error) {
	if s.head != nil {
		return s.head.AppendHead(dst, v)
	}
	head, err = s.Append(dst, v)
	return head, nil, err
}

// appendHead is AppendHead of c, or Append.
func appendHead[T any](c Codec[T], dst []byte, v T) (head, body []byte, err error) {
	s := splitOf(c)
	return s.appendHead(dst, v)
}

// joined returns the result of Append, given that of AppendHead.
func joined(head, body []byte, err error) ([]byte, error) {
	if err != nil || len(body) == 0 {
		return head, err
	}
	return append(head, body...), nil
}

// underlying returns the codec below those made by [As], which have the same form.
func underlying(c any) any {
	if a, ok := c.(interface{ renamed() any }); ok {
		return a.renamed()
	}
	return c
}

// Sizer is implemented by a Codec that knows something about the size of its frames. Combinators use it to reject, when
// they are built, what cannot work, and to check a count from the wire before they allocate anything.
type Sizer interface {
	Size() Size
}

// Size describes the encoded size of the values of a codec.
type Size struct {
	Min  int  // bytes that every value takes at least
	Max  int  // bytes that no value exceeds; Unbounded if that is not known
	Open bool // a value extends to the end of the frame around it, or of the stream

	varies  bool // that is so for some values, or not known
	borrows bool // a value refers to the bytes that it was decoded from
}

// unknownSize is the Size of a codec that is not a Sizer.
var unknownSize = Size{Max: Unbounded, varies: true}

// Unbounded is the Max of a [Size] without a known upper bound.
const Unbounded = math.MaxInt

// SizeOf returns the Size of c. If c is not a [Sizer], nothing is known.
func SizeOf[T any](c Codec[T]) Size {
	if s, ok := c.(Sizer); ok {
		return s.Size()
	}
	return unknownSize
}

// Fixed reports whether all values take the same number of bytes, and that number.
func (s Size) Fixed() (n int, ok bool) { return s.Min, s.Min == s.Max && !s.Open }

// plus returns the size of one value followed by another.
func (s Size) plus(next Size) Size {
	return Size{Min: addBound(s.Min, next.Min), Max: addBound(s.Max, next.Max), Open: s.Open || next.Open, varies: next.varies, borrows: s.borrows || next.borrows}
}

// or returns the size of a value that is one of the two.
func (s Size) or(t Size) Size {
	return Size{min(s.Min, t.Min), max(s.Max, t.Max), s.Open || t.Open, s.varies || t.varies, s.borrows || t.borrows}
}

func addBound(a, b int) int {
	if a == Unbounded || b == Unbounded || a > Unbounded-b {
		return Unbounded
	}
	return a + b
}
