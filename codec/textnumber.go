package codec

import (
	"bytes"
	"slices"
	"strconv"
)

// maxNumberText is the longest number in text.
const maxNumberText = 400

// Decimal is an integer in decimal text up to the end of the enclosing frame: put a [Delimited], [Exactly] or
// [Prefixed] around it. A sign is allowed where T has one; spaces, underscores and other bases are not.
//
//	Delimited(Decimal[int](), ":"), -12:
//	| 2d | 31 | 32 | 3a |
func Decimal[T Integer]() Codec[T] { return decimal[T]{} }

// DecimalWidth is an integer in decimal text of exactly width characters, filled up with zeros after the sign. One that
// needs more is rejected.
//
//	DecimalWidth[int](4), -7:
//	| 2d | 30 | 30 | 37 |
func DecimalWidth[T Integer](width int) Codec[T] {
	positive("DecimalWidth: width", width)
	refuse(width > maxNumberText, "DecimalWidth: width must be at most %d, got %d", maxNumberText, width)
	return Exactly(width, Codec[T](decimal[T]{width}))
}

// FloatText is a number in decimal text, with a point or exponent, up to the end of the enclosing frame. It is written
// with the fewest digits that give the same number back, and at least one after the point.
//
//	Delimited(FloatText, "x"), 3:
//	| 33 | 2e | 30 | 78 |
var FloatText Codec[float64] = floatText{}

type decimal[T Integer] struct{ width int }

func (c decimal[T]) Append(dst []byte, v T) ([]byte, error) {
	start, size := len(dst), uint64(v)
	if v < 0 {
		dst, size = append(dst, '-'), -size
	}
	digits := len(dst)
	dst = strconv.AppendUint(dst, size, 10)
	if c.width > 0 && len(dst)-start > c.width {
		return dst[:start], because(ErrTooLarge, "%d needs more than %d characters", v, c.width)
	}
	for len(dst)-start < c.width {
		dst = slices.Insert(dst, digits, '0')
	}
	return dst, nil
}

func (c decimal[T]) Decode(r *Reader) (T, error) {
	start := r.Offset()
	p, err := numberText(r)
	if err != nil {
		return 0, err
	}
	v, ok := parseDecimal[T](p)
	if !ok {
		return 0, r.Fail(start, because(ErrMalformed, "%q is not a decimal number in range", p))
	}
	return v, nil
}

func (c decimal[T]) Size() Size { return Size{Min: 1, Max: maxNumberText, Open: true} }

// numberText lends the rest of the frame.
func numberText(r *Reader) ([]byte, error) {
	n, err := rest(r)
	if err != nil {
		return nil, err
	}
	if n > maxNumberText {
		return nil, r.Fail(r.Offset(), tooLarge("number length", uint64(n), maxNumberText))
	}
	return r.Next(n)
}

// parseDecimal does not allocate and rejects what T does not hold.
func parseDecimal[T Integer](p []byte) (v T, ok bool) {
	negative := len(p) > 0 && p[0] == '-'
	if sign := negative || len(p) > 0 && p[0] == '+'; sign && !isSigned[T]() {
		return 0, false
	} else if sign {
		p = p[1:]
	}
	if len(p) == 0 {
		return 0, false
	}
	for _, c := range p {
		digit := T(c - '0')
		if c < '0' || c > '9' {
			return 0, false
		}
		if negative {
			digit = -digit
		}
		next := v*10 + digit
		if next/10 != v || next%10 != digit {
			return 0, false // it has wrapped around
		}
		v = next
	}
	return v, true
}

type floatText struct{}

func (c floatText) Append(dst []byte, v float64) ([]byte, error) {
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	if bytes.IndexFunc(dst[start:], notOfInteger) < 0 {
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

func notOfInteger(c rune) bool { return c != '-' && (c < '0' || c > '9') }

func (c floatText) Decode(r *Reader) (float64, error) {
	start := r.Offset()
	p, err := numberText(r)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(string(p), 64)
	if err != nil || bytes.ContainsAny(p, "xX_") {
		return 0, r.Fail(start, because(ErrMalformed, "%q is not a number", p))
	}
	return v, nil
}

func (c floatText) Size() Size { return Size{Min: 1, Max: maxNumberText, Open: true} }
