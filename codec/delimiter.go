package codec

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// delimiters finds the first of several byte strings, or the longest if several start at the same place.
type delimiters struct {
	sent   string   // what is written
	all    [][]byte // longest first
	first  [256]bool
	only   byte   // the one first byte, if there is one
	single bool   // there is one
	shift  int    // bytes that a match may lack: the longest less one
	unless string // a delimiter does not count if one of these bytes follows
}

// newDelimiters panics if the delimiters cannot be told apart.
func newDelimiters(where, sent string, others []string) *delimiters {
	refuse(sent == "", "%s: a delimiter is empty", where)
	d := &delimiters{sent: sent, only: sent[0], single: true}
	for i, s := range append([]string{sent}, others...) {
		refuse(s == "", "%s: a delimiter is empty", where)
		refuse(i > 0 && s == sent, "%s: duplicate delimiter %q", where, s)
		refuse(i > 0 && strings.HasPrefix(s, sent), "%s: the delimiter that is sent, %q, is a prefix of another, %q, and may be taken for it; send %q",
			where, sent, s, s)
		d.all = append(d.all, []byte(s))
		d.first[s[0]] = true
		d.single = d.single && s[0] == d.only
		d.shift = max(d.shift, len(s)-1)
	}
	slices.SortStableFunc(d.all, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	return d
}

// find looks for a delimiter that starts in p[from:]. If there is none yet, width is 0 and the search continues at at
// when p has grown. If final is set, p will not grow.
func (d *delimiters) find(p []byte, from int, final bool) (at, width int) {
	for at = d.next(p, from); at < len(p); at = d.next(p, at+1) {
		n, wait := d.match(p[at:], final)
		if wait {
			return at, 0
		}
		if n > 0 {
			return at, n
		}
	}
	return len(p), 0
}

// findQuick is find for a p that may still grow. It also returns false if a longer delimiter may still arrive.
func (d *delimiters) findQuick(p []byte) (at, width int, ok bool) {
	if d.single && d.shift == 0 && d.unless == "" {
		at = bytes.IndexByte(p, d.only)
		return at, 1, at >= 0
	}
	at, width = d.find(p, 0, false)
	return at, width, width > 0
}

// next returns the index of the next byte that may start a delimiter.
func (d *delimiters) next(p []byte, from int) int {
	if d.single {
		if i := bytes.IndexByte(p[from:], d.only); i >= 0 {
			return from + i
		}
		return len(p)
	}
	for i, c := range p[from:] {
		if d.first[c] {
			return from + i
		}
	}
	return len(p)
}

// match returns the length of the longest delimiter that p starts with. It reports wait if a longer one may still
// arrive, or a byte that makes it not count.
func (d *delimiters) match(p []byte, final bool) (n int, wait bool) {
	for _, s := range d.all {
		if rest, ok := bytes.CutPrefix(p, s); ok {
			if d.unless != "" && len(rest) == 0 && !final {
				return 0, true
			}
			if len(rest) > 0 && strings.IndexByte(d.unless, rest[0]) >= 0 {
				return 0, false
			}
			return len(s), false
		}
		if !final && len(p) < len(s) && bytes.HasPrefix(s, p) {
			return 0, true
		}
	}
	return 0, false
}

// ends returns the length of the delimiter at the end of p, or 0.
func (d *delimiters) ends(p []byte) int {
	for _, s := range d.all {
		if bytes.HasSuffix(p, s) {
			return len(s)
		}
	}
	return 0
}
