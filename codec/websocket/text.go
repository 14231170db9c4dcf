package websocket

import "unicode/utf8"

// textCheck checks that bytes which come in pieces are UTF-8, as early as that can be told.
type textCheck struct {
	rest [utf8.UTFMax]byte // the start of a character whose end has not come
	n    uint8
}

// add reports whether p can follow what was added before.
func (t *textCheck) add(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.rest[t.n] = p[0]
		t.n++
		p = p[1:]
		if start := t.rest[:t.n]; utf8.FullRune(start) {
			if r, size := utf8.DecodeRune(start); r == utf8.RuneError && size == 1 {
				return false
			}
			t.n = 0
		}
	}
	whole := p[:len(p)-cutLength(p)]
	if len(whole) < len(p) {
		t.n = uint8(copy(t.rest[:], p[len(whole):]))
	}
	return utf8.Valid(whole)
}

// done reports whether what was added ends with a whole character, and forgets it.
func (t *textCheck) done() bool {
	ok := t.n == 0
	t.n = 0
	return ok
}

// cutLength returns the length of the start of a character at the end of p.
func cutLength(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if end := p[len(p)-n:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}
