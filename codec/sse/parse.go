package sse

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-go/weir/codec"
)

// block is what the fields up to an empty line say.
type block struct {
	Event
	hasID, hasData, hasRetry bool
}

// add takes over what another block says that came behind b.
func (b *block) add(next *block) {
	if next.hasID {
		b.ID, b.hasID = next.ID, true
	}
	if next.hasRetry {
		b.Retry, b.hasRetry = next.Retry, true
	}
	b.Type, b.Data, b.hasData = next.Type, next.Data, next.hasData
}

// readBlock reads lines up to an empty one; WHATWG HTML 9.2.6. A comment that comes first is a block by itself, so that
// a stream of nothing but comments has no block that grows.
func readBlock(r *codec.Reader, max int) (b block, err error) {
	start := r.Offset()
	if start == 0 {
		if err := skipMark(r); err != nil {
			return b, err
		}
	}
	l := lines{r: r, max: max}
	var data []byte
	for first := true; ; first = false {
		line, err := l.next()
		if err != nil {
			return b, err
		}
		if l.used > max {
			return b, r.Fail(start, tooLarge(max))
		}
		if len(line) == 0 || first && line[0] == ':' {
			break
		}
		data = b.field(line, data)
	}
	if b.hasData {
		b.Data = text(data[:len(data)-1]) // without the last LF
	}
	return b, nil
}

// skipMark skips a byte order mark.
func skipMark(r *codec.Reader) error {
	const mark = "\xef\xbb\xbf"
	for n := 1; n <= len(mark); n++ {
		p, err := r.Peek(n)
		if err != nil {
			return err
		}
		if p[n-1] != mark[n-1] {
			return nil
		}
	}
	return r.Skip(len(mark))
}

// lines reads lines that end in CR, LF or both. Behind a CR it does not wait for the LF that may follow.
type lines struct {
	r    *codec.Reader
	max  int
	used int
	cr   bool // the line before ended in CR
}

// next lends the next line, until it is called again.
func (l *lines) next() ([]byte, error) {
	for seen := 0; ; {
		p := l.r.Buffered()
		if l.cr && len(p) > 0 {
			l.cr = false
			if p[0] == '\n' {
				if err := l.r.Skip(1); err != nil {
					return nil, err
				}
				p = p[1:]
			}
		}
		if i := bytes.IndexAny(p[seen:], "\r\n"); i >= 0 {
			n := seen + i
			l.cr = p[n] == '\r'
			l.used += n + 1
			line, err := l.r.Next(n + 1)
			if err != nil {
				return nil, err
			}
			return line[:n], nil
		}
		if seen = len(p); l.used+seen > l.max {
			return nil, l.r.Fail(l.r.Offset(), tooLarge(l.max))
		}
		if _, err := l.r.Peek(seen + 1); err != nil {
			return nil, err
		}
	}
}

// field takes a line. It returns data with what the line adds to that.
func (b *block) field(line, data []byte) []byte {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		b.hasData = true
		return append(append(data, value...), '\n')
	case "event":
		b.Type = text(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			b.ID, b.hasID = text(value), true
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 40); err == nil && isDigits(value) {
			b.Retry, b.hasRetry = time.Duration(ms)*time.Millisecond, true
		}
	}
	return data
}

func isDigits(p []byte) bool {
	for _, c := range p {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(p) > 0
}

// text is p as text, with U+FFFD in the place of what is not UTF-8, once for a sequence that breaks off, as in the decoder
// of the WHATWG.
func text(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	var s strings.Builder
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError {
			for n < len(p) && !utf8.FullRune(p[:n+1]) {
				n++
			}
		}
		s.WriteRune(r)
		p = p[n:]
	}
	return s.String()
}
