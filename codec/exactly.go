package codec

import (
	"reflect"
	"slices"
)

// Exactly confines c to exactly n bytes, in both directions.
//
//	Exactly(3, String), "foo":
//	| 66 | 6f | 6f |
func Exactly[T any](n int, c Codec[T]) Codec[T] {
	return confined("Exactly", n, -1, c)
}

// Padded is c in exactly n bytes, with the byte pad in those that c leaves. The encoding of c must not end in pad,
// since that byte would be taken for padding.
//
//	Padded(5, 0, String), "foo":
//	| 66 | 6f | 6f | 00 | 00 |
func Padded[T any](n int, pad byte, c Codec[T]) Codec[T] {
	return confined("Padded", n, int(pad), c)
}

func confined[T any](where string, n, pad int, c Codec[T]) Codec[T] {
	notNil(c, where)
	positive(where+": n", n)
	fits(where, n, SizeOf(c))
	return exactly[T]{n, c, pad}
}

// Aligned is c followed by zeros up to a multiple of n bytes, counted from the start of c. When decoding, other bytes
// in their place are rejected.
//
//	Aligned(4, Prefixed(Uint8, String)), "hi":
//	| 02 | 68 | 69 | 00 |
func Aligned[T any](n int, c Codec[T]) Codec[T] {
	notNil(c, "Aligned")
	positive("Aligned: n", n)
	return aligned[T]{n, ended("Aligned", c)}
}

// Const is a fixed sequence of bytes without a value. In a Record use it in a [Literal].
//
//	Const("\xca\xfe"):
//	| ca | fe |
func Const(text string) Codec[struct{}] { return constant(text) }

// Skip is n bytes that are ignored when decoding, and zero when encoding.
//
//	Skip(3):
//	| 00 | 00 | 00 |
func Skip(n int) Codec[struct{}] {
	positive("Skip: n", n)
	return skip(n)
}

// Empty takes no bytes. Its only value is the zero value of T; others are rejected. Use it as the body of a tag that
// says everything.
func Empty[T any]() Codec[T] { return nothing[T]{} }

type exactly[T any] struct {
	n   int
	c   Codec[T]
	pad int // the byte that fills up what c leaves, or -1
}

func (e exactly[T]) Append(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := e.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	switch n := len(dst) - start; {
	case n > e.n:
		return dst, tooLarge("length", uint64(n), e.n)
	case n < e.n && e.pad < 0:
		return dst, because(ErrMalformed, "got %d bytes, want %d", n, e.n)
	case n > 0 && int(dst[len(dst)-1]) == e.pad:
		return dst, because(ErrMalformed, "value ends in the padding byte %#02x", e.pad)
	}
	for len(dst)-start < e.n {
		dst = append(dst, byte(e.pad))
	}
	return dst, nil
}

func (e exactly[T]) Decode(r *Reader) (v T, err error) {
	n := e.n
	if e.pad >= 0 {
		p, err := r.Peek(n)
		if err != nil {
			return v, err
		}
		for n > 0 && int(p[n-1]) == e.pad {
			n--
		}
	}
	if v, err = within(r, n, e.c); err != nil {
		return v, err
	}
	return v, r.Skip(e.n - n)
}

func (e exactly[T]) Size() Size { return Size{Min: e.n, Max: e.n, borrows: SizeOf(e.c).borrows} }

type aligned[T any] struct {
	n int
	c Codec[T]
}

func (c aligned[T]) Append(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := c.c.Append(dst, v)
	if err != nil {
		return dst, err
	}
	for (len(dst)-start)%c.n != 0 {
		dst = append(dst, 0)
	}
	return dst, nil
}

func (c aligned[T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	if v, err = c.c.Decode(r); err != nil {
		return v, err
	}
	at := r.Offset()
	over := int((at - start) % int64(c.n))
	p, err := r.Next((c.n - over) % c.n)
	if err != nil {
		return v, err
	}
	if i := slices.IndexFunc(p, func(c byte) bool { return c != 0 }); i >= 0 {
		return v, r.Fail(at+int64(i), because(ErrMismatch, "padding is not zero"))
	}
	return v, nil
}

func (c aligned[T]) Size() Size {
	s := SizeOf(c.c)
	s.Min = (s.Min + c.n - 1) / c.n * c.n
	s.Max = addBound(s.Max, c.n-1)
	if s.Max != Unbounded {
		s.Max = s.Max / c.n * c.n
	}
	return s
}

type constant string

func (c constant) Append(dst []byte, _ struct{}) ([]byte, error) { return append(dst, c...), nil }

func (c constant) Decode(r *Reader) (struct{}, error) {
	at := r.Offset()
	p, err := r.Next(len(c))
	if err != nil {
		return struct{}{}, err
	}
	for i := range p {
		if p[i] != c[i] {
			return struct{}{}, r.Fail(at+int64(i), because(ErrMismatch, "got %q, want %q", string(p), string(c)))
		}
	}
	return struct{}{}, nil
}

func (c constant) Size() Size { return Size{Min: len(c), Max: len(c)} }

type skip int

func (n skip) Append(dst []byte, _ struct{}) ([]byte, error) {
	return append(dst, make([]byte, n)...), nil
}

func (n skip) Decode(r *Reader) (struct{}, error) { return struct{}{}, r.Skip(int(n)) }
func (n skip) Size() Size                         { return Size{Min: int(n), Max: int(n)} }

type nothing[T any] struct{}

func (nothing[T]) Append(dst []byte, v T) ([]byte, error) {
	if memorySize[T]() > 0 && !reflect.ValueOf(&v).Elem().IsZero() {
		return dst, because(ErrMalformed, "%v has no encoding, only the zero value has", v)
	}
	return dst, nil
}

func (nothing[T]) Decode(*Reader) (v T, err error) { return v, nil }
func (nothing[T]) Size() Size                      { return Size{} }
