package codec

import (
	"strings"
	"unicode/utf8"
)

// Bytes is all bytes up to the end of the enclosing frame, or of the stream. The receiver owns the slice; nil and empty
// are equivalent.
//
//	Prefixed(Uint16, Bytes), "abc":
//	| 00 | 03 | 61 | 62 | 63 |
var Bytes Codec[[]byte] = bytesCodec{}

// Borrowed is [Bytes] without the copy: a received value lies in the buffer of the connection and is valid until the next
// call on the Source it came from. It is for stages in the receiver's goroutine that finish with a value before they
// take the next, such as a Map to another type; it must not be used through C or across goroutines. In a codec that is
// selected for each frame, as by [Header], it acts as Bytes on a stream.
var Borrowed Codec[[]byte] = borrowedCodec{}

// String is UTF-8 text up to the end of the enclosing frame, or of the stream. Invalid UTF-8 is rejected in both
// directions; [RawString] accepts any bytes.
//
//	Prefixed(Uint16, String), "hé":
//	| 00 | 03 | 68 | c3 | a9 |
var String Codec[string] = textCodec{invalidUTF8, "UTF-8"}

// RawString is [Bytes] as a string of arbitrary bytes.
var RawString Codec[string] = textCodec{}

// DefaultMax is the default limit on the size of a frame in bytes, in both directions. It is also the limit, when
// decoding, on the size of an open-ended value that takes the rest of a stream.
const DefaultMax = 16 << 20

var openSize = Size{Max: Unbounded, Open: true}

type bytesCodec struct{}

func (bytesCodec) Append(dst, v []byte) ([]byte, error)                    { return append(dst, v...), nil }
func (bytesCodec) AppendHead(dst, v []byte) (head, body []byte, err error) { return dst, v, nil }

func (bytesCodec) Decode(r *Reader) ([]byte, error) {
	n, err := rest(r)
	if err != nil {
		return nil, err
	}
	return r.Bytes(n)
}

func (bytesCodec) Size() Size { return openSize }

type borrowedCodec struct{ bytesCodec }

func (borrowedCodec) Size() Size { return Size{Max: Unbounded, Open: true, borrows: true} }
func (c borrowedCodec) Decode(r *Reader) ([]byte, error) {
	if r.copies {
		return c.bytesCodec.Decode(r)
	}
	return r.lendRest()
}

// textCodec is text in which invalid finds the first byte that is not of its charset, or -1; nil allows any bytes.
type textCodec struct {
	invalid func(string) int
	charset string
}

func (c textCodec) check(v string) (at int, err error) {
	if c.invalid == nil {
		return 0, nil
	}
	if at = c.invalid(v); at < 0 {
		return 0, nil
	}
	return at, because(ErrMalformed, "invalid %s", c.charset)
}

func (c textCodec) Append(dst []byte, v string) ([]byte, error) {
	if at, err := c.check(v); err != nil {
		return dst, because(err, "%v at index %d", err, at)
	}
	return append(dst, v...), nil
}

func (c textCodec) Decode(r *Reader) (string, error) {
	n, err := rest(r)
	if err != nil {
		return "", err
	}
	start := r.Offset()
	v, err := r.Text(n)
	if err != nil {
		return "", err
	}
	if at, err := c.check(v); err != nil {
		return "", r.Fail(start+int64(at), err)
	}
	return v, nil
}

func (textCodec) Size() Size { return openSize }

func (c textCodec) decodeQuick(p []byte, own cloner, v *string) (int, bool) {
	*v = ownedString(clone(own, p))
	return len(p), c.invalid == nil || c.invalid(*v) < 0
}

// invalidASCII returns the index of the first byte of s that is not ASCII, or -1.
func invalidASCII(s string) int {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf })
}

// invalidUTF8 returns the index of the first byte of s that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, c := range s {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}
