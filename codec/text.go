package codec

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// Charset is text in a charset of golang.org/x/text up to the end of the frame around it, such as charmap.ISO8859_1,
// unicode.UTF16(unicode.BigEndian, unicode.UseBOM) or japanese.ShiftJIS. A character that the charset does not have is
// refused when sent, and bytes that are none when received, except where the charset itself maps all bytes. Some charsets
// decode a few bytes to characters that they do not encode: such a text can be received and not sent. For UTF-8 there is
// [String].
//
//	Prefixed(Uint8, Charset(charmap.ISO8859_1)), "hé":
//	+----+----+----+
//	| 02 | 68 | e9 |
//	+----+----+----+
func Charset(charset encoding.Encoding) Codec[string] {
	if charset == nil {
		panic("codec: Charset: the charset is nil")
	}
	return charsetCodec{charset}
}

// ASCII is text of seven bits up to the end of the frame around it; anything else is refused, both ways.
var ASCII Codec[string] = asciiCodec{}

type charsetCodec struct{ charset encoding.Encoding }

func (c charsetCodec) Append(dst []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return dst, because(ErrMalformed, "text that is not UTF-8, at index %d", invalidIndex(v))
	}
	p, err := c.charset.NewEncoder().Bytes([]byte(v))
	if err != nil {
		return dst, &detail{ErrMalformed, err.Error()}
	}
	return append(dst, p...), nil
}

func (c charsetCodec) Decode(r *Reader) (string, error) {
	start := r.Offset()
	n, err := rest(r)
	if err != nil {
		return "", err
	}
	p, err := r.Next(n)
	if err != nil {
		return "", err
	}
	text, err := c.charset.NewDecoder().Bytes(p)
	if err != nil {
		return "", r.Fail(start, &detail{ErrMalformed, err.Error()})
	}
	s := ownedString(text)
	if i := replacedIndex(s); i >= 0 && !c.has(p) {
		return "", r.Fail(start, because(ErrMalformed, "bytes that are no text in %v, in front of index %d of what is", c.charset, i))
	}
	return s, nil
}

func (charsetCodec) Size() Size { return openSize }

// replacedIndex returns the index of the first replacement character, which stands for what could not be decoded.
func replacedIndex(s string) int {
	for i, c := range s {
		if c == utf8.RuneError {
			return i
		}
	}
	return -1
}

// has reports whether p is a text that has the replacement character itself: it then comes back as it was.
func (c charsetCodec) has(p []byte) bool {
	text, err := c.charset.NewDecoder().Bytes(p)
	if err != nil {
		return false
	}
	back, err := c.charset.NewEncoder().Bytes(text)
	return err == nil && string(back) == string(p)
}

type asciiCodec struct{}

func (asciiCodec) Append(dst []byte, v string) ([]byte, error) {
	for i := range len(v) {
		if v[i] >= utf8.RuneSelf {
			return dst, because(ErrMalformed, "text that is not ASCII, at index %d", i)
		}
	}
	return append(dst, v...), nil
}

func (asciiCodec) Decode(r *Reader) (string, error) {
	at := r.Offset()
	s, err := RawString.Decode(r)
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return "", r.Fail(at+int64(i), because(ErrMalformed, "text that is not ASCII"))
		}
	}
	return s, err
}

func (asciiCodec) Size() Size { return openSize }
