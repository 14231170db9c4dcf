package codec

import (
	"bytes"
	"strings"
)

// DefaultMaxLine is the limit on the length of a line in [Lines] in bytes, in both directions.
const DefaultMaxLine = 64 << 10

// Lines is a codec of lines of text. Each line is sent with LF. When decoding, LF or CR LF is removed, and a last line
// without either counts as well. Lines are at most 64 KiB long, may be empty, and may contain any bytes except LF; a
// value that contains LF is rejected. A value that ends in CR is sent with CR LF, so that it is decoded unchanged.
// [LinesCodec.With] returns variants.
//
//	"one", "":
//	| 6f | 6e | 65 | 0a | 0a |
var Lines = LinesCodec{max: DefaultMaxLine, end: "\n"}

// LinesCodec is the type of [Lines], a Codec[string].
type LinesCodec struct {
	max int
	end string
}

// LinesOption is an option of [LinesCodec.With]: [Max] or [CRLF].
type LinesOption interface{ applyLines(*LinesCodec) }

type linesOption func(*LinesCodec)

func (o linesOption) applyLines(c *LinesCodec) { o(c) }

// CRLF sends lines with CR LF, as Internet protocols require.
func CRLF() LinesOption { return linesOption(func(c *LinesCodec) { c.end = "\r\n" }) }

// With returns the lines with options: [Max] of bytes in a line, and [CRLF].
//
//	codec.Lines.With(codec.CRLF(), codec.Max(998))
func (c LinesCodec) With(opts ...LinesOption) LinesCodec {
	for _, opt := range opts {
		opt.applyLines(&c)
	}
	return c
}

// Append appends a line and its end.
func (c LinesCodec) Append(dst []byte, v string) ([]byte, error) {
	if len(v) > c.max {
		return dst, tooLarge("line length", uint64(len(v)), c.max)
	}
	if i := strings.IndexByte(v, '\n'); i >= 0 {
		return dst, because(ErrMalformed, "line contains LF at index %d", i)
	}
	if v != "" && v[len(v)-1] == '\r' {
		return append(append(dst, v...), "\r\n"...), nil // one CR is stripped, and not this one
	}
	return append(append(dst, v...), c.end...), nil
}

// Decode reads a line.
func (c LinesCodec) Decode(r *Reader) (string, error) {
	for seen := 0; ; {
		window := r.buf[r.pos:]
		line, n, ok := c.cut(window, seen)
		if ok && len(line) <= c.max {
			r.pos += n
			return ownedString(r.clone(line)), nil
		}
		seen = len(window)
		if ok || seen-1 > c.max { // one may be a CR
			r.looked(r.pos + min(seen, addBound(c.max, 2)))
			return "", r.Fail(r.Offset(), because(ErrTooLarge, "line exceeds the limit of %d bytes", c.max))
		}
		if over, err := r.runsOut(seen + 1); err != nil {
			return "", err
		} else if over {
			return c.last(r, seen)
		}
	}
}

// cut returns the line at the start of p and how many bytes it takes with its end, which is not in p[:seen].
func (c LinesCodec) cut(p []byte, seen int) (line []byte, n int, ok bool) {
	p = p[:min(len(p), addBound(c.max, 2))]
	i := bytes.IndexByte(p[min(seen, len(p)):], '\n')
	if i < 0 {
		return nil, 0, false
	}
	n = seen + i
	line = p[:n]
	if n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, n + 1, true
}

// last returns the rest as a line, unless it is empty. A CR at its end is part of the line.
func (c LinesCodec) last(r *Reader, n int) (string, error) {
	if n == 0 {
		return "", r.need(1)
	}
	if n-1 == c.max && r.buf[r.pos+c.max] == '\r' {
		return "", r.need(n + 1) // fails: its LF is missing
	}
	if n > c.max {
		return "", r.Fail(r.Offset(), because(ErrTooLarge, "line exceeds the limit of %d bytes", c.max))
	}
	return r.Text(n)
}

// quickLines is LinesCodec with decodeQuick. LinesCodec itself must not have it: a type of the user that embeds
// LinesCodec and has its own Decode would inherit it.
type quickLines LinesCodec

func (q quickLines) decodeQuick(p []byte, own cloner, v *string) (n int, ok bool) {
	line, n, ok := LinesCodec(q).cut(p, 0)
	if !ok || len(line) > q.max {
		return 0, false
	}
	*v = ownedString(clone(own, line))
	return n, true
}

// Size returns the bounds of a line with its line ending.
func (c LinesCodec) Size() Size { return Size{Min: 1, Max: addBound(c.max, 2)} }
