package codec

import (
	"bytes"
	"strings"
)

// DefaultMaxLine is the longest line, in bytes, that [Lines] accepts in either direction.
const DefaultMaxLine = 64 << 10

// Lines is text in lines. Each is sent with LF behind it; on receipt LF and CR LF are stripped, and a last line
// without either counts as well. Lines are at most 64 KiB long, may be empty and may hold any bytes but LF; a value
// that contains LF is refused. One that ends in CR is sent with CR LF, so that it comes back as it was.
//
//	"one", "":
//	+----+----+----+----+----+
//	| 6f | 6e | 65 | 0a | 0a |
//	+----+----+----+----+----+
var Lines Codec[string] = lines{max: DefaultMaxLine, end: "\n"}

// CRLFLines is [Lines] sent with CR LF, as the protocols of the Internet prescribe it.
var CRLFLines Codec[string] = lines{max: DefaultMaxLine, end: "\r\n"}

// LinesMax is [Lines] with a limit of max bytes on each line.
func LinesMax(max int) Codec[string] {
	Max(max) // checks it
	return lines{max: max, end: "\n"}
}

type lines struct {
	max int
	end string
}

func (c lines) Append(dst []byte, v string) ([]byte, error) {
	if len(v) > c.max {
		return dst, tooLarge("a line", uint64(len(v)), c.max)
	}
	if i := strings.IndexByte(v, '\n'); i >= 0 {
		return dst, because(ErrMalformed, "a line that contains LF, at index %d", i)
	}
	if v != "" && v[len(v)-1] == '\r' {
		return append(append(dst, v...), "\r\n"...), nil // one CR is stripped, and not this one
	}
	return append(append(dst, v...), c.end...), nil
}

func (c lines) Decode(r *Reader) (string, error) {
	line, err := r.line(c.max)
	if err != nil {
		return "", err
	}
	return ownedString(r.clone(line)), nil
}

func (c lines) decodeQuick(p []byte, own cloner, v *string) (n int, ok bool) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		return 0, false
	}
	line := p[:i]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	if len(line) > c.max {
		return 0, false
	}
	*v = ownedString(own.Clone(line))
	return i + 1, true
}

func (c lines) Size() Size { return Size{Min: 1, Max: addBound(c.max, 2)} }

// line lends the next line without its end. The last one may have none.
func (r *Reader) line(max int) ([]byte, error) {
	for seen := 0; ; {
		window := r.buf[r.pos:]
		if i := bytes.IndexByte(window[seen:], '\n'); i >= 0 {
			return r.takeLine(seen+i, 1, max)
		}
		if seen = len(window); seen > max+1 { // one may be a CR
			return r.takeLine(seen, 0, max)
		}
		if over, err := r.runsOut(seen + 1); err != nil {
			return nil, err
		} else if over {
			return r.lastLine(seen, max)
		}
	}
}

// takeLine takes the next n bytes as a line, and what ends it.
func (r *Reader) takeLine(n, width, max int) ([]byte, error) {
	p := r.buf[r.pos : r.pos+n]
	if n > 0 && p[n-1] == '\r' {
		p = p[:n-1]
	}
	if len(p) > max {
		return nil, r.Fail(r.Offset(), because(ErrTooLarge, "a line beyond the limit of %d bytes", max))
	}
	r.pos += n + width
	return p, nil
}

// lastLine takes what is left as a line, unless that is nothing.
func (r *Reader) lastLine(n, max int) ([]byte, error) {
	if n == 0 {
		return nil, r.need(1)
	}
	return r.takeLine(n, 0, max)
}
