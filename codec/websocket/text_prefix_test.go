package websocket

import "testing"

// TestTextIsRefusedAtTheFirstByteThatCannotBe compares the check with the grammar of RFC 3629, section 4, for every
// sequence of bytes up to the first that is invalid or a whole character. It covers class 6.
func TestTextIsRefusedAtTheFirstByteThatCannotBe(t *testing.T) {
	count := 0
	var try func(before textCheck, p []byte)
	try = func(before textCheck, p []byte) {
		for n := range 256 {
			q := append(p, byte(n))
			valid, whole := grammar(q)
			bytewise := before
			var atOnce textCheck
			if bytewise.add(q[len(p):]) != valid || atOnce.add(q) != valid { // require would take long
				t.Fatalf("% x", q)
			}
			count++
			if !valid {
				continue
			}
			for _, c := range []textCheck{bytewise, atOnce} {
				if c.done() != whole {
					t.Fatalf("% x", q)
				}
			}
			if !whole {
				try(bytewise, q)
			}
		}
	}
	try(textCheck{}, make([]byte, 0, 4))
	t.Logf("%d sequences", count)
}

// grammar reports whether p begins a character, and whether it is one.
func grammar(p []byte) (valid, whole bool) {
	tail := [2]byte{0x80, 0xbf}
	for _, form := range [][][2]byte{
		{{0, 0x7f}},
		{{0xc2, 0xdf}, tail},
		{{0xe0, 0xe0}, {0xa0, 0xbf}, tail}, {{0xe1, 0xec}, tail, tail}, {{0xed, 0xed}, {0x80, 0x9f}, tail}, {{0xee, 0xef}, tail, tail},
		{{0xf0, 0xf0}, {0x90, 0xbf}, tail, tail}, {{0xf1, 0xf3}, tail, tail, tail}, {{0xf4, 0xf4}, {0x80, 0x8f}, tail, tail},
	} {
		fits := len(p) <= len(form)
		for i := 0; fits && i < len(p); i++ {
			fits = p[i] >= form[i][0] && p[i] <= form[i][1]
		}
		if fits {
			return true, len(p) == len(form)
		}
	}
	return false, false
}
