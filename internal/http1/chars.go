package http1

import "encoding/binary"

// Classes of characters; see RFC 9110 5.6 and RFC 3986.
const (
	isToken  = 1 << iota // tchar
	isValue              // in a field value: HTAB, SP, VCHAR, obs-text
	isTarget             // in a request target: VCHAR without '#'
	isHost               // in a host name: unreserved and sub-delims without ','
	isHex
)

var class = classes()

func classes() (t [256]uint8) {
	set := func(bit uint8, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= bit
		}
	}
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	set(isToken, alnum+"!#$%&'*+-.^_`|~")
	set(isHost, alnum+"-._~!$&'()*+;=")
	set(isHex, "0123456789abcdefABCDEF")
	set(isValue, "\t ")
	for c := 0x21; c < 0x7f; c++ {
		t[c] |= isValue | isTarget
	}
	for c := 0x80; c <= 0xff; c++ {
		t[c] |= isValue
	}
	t['#'] &^= isTarget
	return t
}

// all reports whether every character of p is of the class.
func all[T string | []byte](p T, bit uint8) bool {
	for i := range len(p) {
		if class[p[i]]&bit == 0 {
			return false
		}
	}
	return true
}

// ValidToken reports whether p is a token: what a method and a field name must be.
func ValidToken[T string | []byte](p T) bool { return len(p) > 0 && all(p, isToken) }

// ValidValue reports whether p may be the value of a field: no control character except HTAB, and no white space at
// either end.
func ValidValue[T string | []byte](p T) bool {
	return len(p) == 0 || all(p, isValue) && !isSpace(p[0]) && !isSpace(p[len(p)-1])
}

// validValue is ValidValue for a value without white space around it, eight bytes at a time.
func validValue(p []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(p) >= 8 {
		x := binary.LittleEndian.Uint64(p)
		del := x ^ 0x7f*ones
		// A byte below 0x20, or one that is 0x7f, sets its high bit; borrows make false alarms only, as do HTABs.
		if ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0 && !all(p[:8], isValue) {
			return false
		}
		p = p[8:]
	}
	return all(p, isValue)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// trim returns p[from:to] without optional white space at either end, as offsets.
func trim(p []byte, from, to int) (int, int) {
	for from < to && isSpace(p[from]) {
		from++
	}
	for to > from && isSpace(p[to-1]) {
		to--
	}
	return from, to
}

// lower returns c in lower case if it is a letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// EqualFold reports whether p is s but for the case of its letters. s has none in upper case.
func EqualFold[T string | []byte](p T, s string) bool {
	if len(p) != len(s) {
		return false
	}
	for i := range len(s) {
		if lower(p[i]) != s[i] {
			return false
		}
	}
	return true
}
