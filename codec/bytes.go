package codec

import "unicode/utf8"

// Bytes is all bytes up to the end of the frame around it, or of the stream. The receiver owns what it receives; nil
// and empty are the same. It is Gloss's identity-codec.
//
//	Prefixed(Uint16, Bytes), "abc":
//	+----+----+----+----+----+
//	| 00 | 03 | 61 | 62 | 63 |
//	+----+----+----+----+----+
var Bytes Codec[[]byte] = bytesCodec{}

// Borrowed is [Bytes] without the copy: a received value lies in the buffer of the connection and is valid until the
// next call on the Source it came from. It is for stages in the goroutine of the receiver that are done with a value
// before they take the next, such as a Map to something else; through C or across goroutines it is wrong.
var Borrowed Codec[[]byte] = borrowedCodec{}

// String is text in UTF-8 up to the end of the frame around it, or of the stream. What is not UTF-8 is refused, both
// ways; [RawString] takes any bytes.
//
//	Prefixed(Uint16, String), "hé":
//	+----+----+----+----+----+
//	| 00 | 03 | 68 | c3 | a9 |
//	+----+----+----+----+----+
var String Codec[string] = stringCodec{}

// RawString is [Bytes] as a Go string, with any bytes in it.
var RawString Codec[string] = rawCodec{}

// DefaultMax is the largest frame, in bytes, that a codec accepts in either direction if it is not told otherwise.
const DefaultMax = 16 << 20

var openSize = Size{Max: Unbounded, Open: true}

type bytesCodec struct{}

func (bytesCodec) Append(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

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

func (borrowedCodec) Decode(r *Reader) ([]byte, error) { return r.lendRest() }

type rawCodec struct{}

func (rawCodec) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (rawCodec) Decode(r *Reader) (string, error) {
	n, err := rest(r)
	if err != nil {
		return "", err
	}
	return r.Text(n)
}

func (rawCodec) Size() Size { return openSize }

type stringCodec struct{}

func (stringCodec) Append(dst []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, because(ErrMalformed, "invalid UTF-8 at index %d", invalidIndex(v))
	}
	return append(dst, v...), nil
}

func (stringCodec) Decode(r *Reader) (string, error) {
	n, err := rest(r)
	if err != nil {
		return "", err
	}
	return r.UTF8(n)
}

func (stringCodec) Size() Size { return openSize }

// invalidIndex returns the index of the first byte of s that is not UTF-8.
func invalidIndex(s string) int {
	for i, c := range s {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}
