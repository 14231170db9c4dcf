package codec

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// Charset is text in a charset of golang.org/x/text up to the end of the enclosing frame, such as charmap.ISO8859_1,
// unicode.UTF16(unicode.BigEndian, unicode.UseBOM) or japanese.ShiftJIS. Characters that the charset lacks are rejected
// when encoding, and invalid bytes when decoding, except by charsets that map all bytes. Some charsets decode a few
// bytes to characters that they cannot encode: such a text can be received but not sent. For UTF-8 use [String].
//
//	Prefixed(Uint8, Charset(charmap.ISO8859_1)), "hé":
//	| 02 | 68 | e9 |
func Charset(charset encoding.Encoding) Codec[string] {
	refuse(charset == nil, "Charset: the charset is nil")
	return charsetCodec{charset}
}

// ASCII is 7-bit text up to the end of the enclosing frame. Other bytes are rejected in both directions.
var ASCII Codec[string] = textCodec{invalidASCII, "ASCII"}

type charsetCodec struct{ charset encoding.Encoding }

func (c charsetCodec) Append(dst []byte, v string) ([]byte, error) {
	if at := invalidUTF8(v); at >= 0 {
		return dst, because(ErrMalformed, "invalid UTF-8 at index %d", at)
	}
	p, err := c.charset.NewEncoder().Bytes([]byte(v))
	if err != nil {
		return dst, &detail{ErrMalformed, err.Error()}
	}
	return append(dst, p...), nil
}

func (c charsetCodec) Decode(r *Reader) (string, error) {
	start := r.Offset()
	p, err := r.lendRest()
	if err != nil {
		return "", err
	}
	text, err := c.charset.NewDecoder().Bytes(p)
	if err != nil {
		return "", r.Fail(start, &detail{ErrMalformed, err.Error()})
	}
	if bytes.ContainsRune(text, utf8.RuneError) {
		if at := c.invalid(p); at >= 0 {
			return "", r.Fail(start+int64(at), because(ErrMalformed, "invalid %v text", c.charset))
		}
	}
	return ownedString(text), nil
}

func (charsetCodec) Size() Size { return openSize }

// invalid returns the index of the first invalid bytes of p, or -1. Decoders replace them with the replacement
// character. A text may also contain that character; its bytes are then those of replacement, in either order.
func (c charsetCodec) invalid(p []byte) int {
	proper := c.replacement()
	reversed := slices.Clone(proper)
	slices.Reverse(reversed)
	d := c.charset.NewDecoder()
	var one [utf8.UTFMax]byte
	for at := 0; at < len(p); {
		nDst, nSrc, err := d.Transform(one[:3], p[at:], true) // no more than one of three bytes
		if nSrc == 0 {
			nDst, nSrc, err = d.Transform(one[:], p[at:], true)
		}
		if nSrc == 0 {
			return at
		}
		if from := p[at : at+nSrc]; bytes.ContainsRune(one[:nDst], utf8.RuneError) &&
			(len(proper) == 0 || !bytes.HasSuffix(from, proper) && !bytes.HasSuffix(from, reversed)) {
			return at
		}
		if at += nSrc; err == nil {
			break
		}
	}
	return -1
}

// replacement returns the replacement character in the charset, or nothing if the charset lacks it.
func (c charsetCodec) replacement() []byte {
	e := c.charset.NewEncoder()
	a, err := e.Bytes([]byte("a"))
	if err != nil {
		return nil
	}
	both, err := e.Bytes([]byte("a" + string(utf8.RuneError)))
	if err != nil || !bytes.HasPrefix(both, a) {
		return nil
	}
	return both[len(a):]
}
