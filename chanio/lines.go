package chanio

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// maxLine is how long a line may be unless its reader says otherwise.
const maxLine = 64 << 10

// Lines returns the lines of src, without their ends: LF, CR or CRLF, each wherever it occurs. A line is there as soon
// as its end has begun to arrive, so a peer that ends lines with CR alone is not waited for. What follows the last end
// is a line too if it is not empty. The bytes are taken as they are: that they are UTF-8 is not checked.
//
// limit is how many bytes a line may have, 0 means 64 KiB; a longer one ends the stream with a [*LimitError] and closes
// src. If src fails, an unfinished line is dropped. Lines starts no goroutine. It is byte-streams' to-line-seq; for
// lines in both directions use codec.Lines.
func Lines(src *Source[[]byte], limit int) *Source[string] {
	if limit < 0 {
		panic(fmt.Sprintf("chanio: Lines: limit must be at least 0, got %d", limit))
	}
	if limit == 0 {
		limit = maxLine
	}
	up := src.Claim("chanio.Lines")
	l := &lines{up: up, in: bytesOf(up), limit: limit}
	return NewSource(SourceHooks[string]{
		Next: l.next, Close: up.Close, OnWait: up.OnWait, Describe: describeStage("chanio.Lines", up),
	})
}

type lines struct {
	up      Upstream[[]byte]
	in      ByteSource
	limit   int
	afterCR bool  // an LF that comes now belongs to the end of the line before
	end     error // of src, if it has been met
}

func (l *lines) next(ctx context.Context) (string, error) {
	searched := 0
	for {
		l.skipLF()
		b := l.in.Buffered()
		if i := lineEnd(b[searched:]); i >= 0 {
			return l.take(b[:searched+i], b[searched+i])
		}
		if len(b) > l.limit {
			return "", &LimitError{l.limit}
		}
		searched = len(b)
		if l.end != nil {
			return l.last(l.end)
		}
		if err := l.in.Fill(ctx, len(b)+1); err != nil {
			if err = l.up.Fail(ctx, err); err != io.EOF {
				return "", err
			}
			l.end = err
		}
	}
}

// skipLF drops the LF of a CRLF.
func (l *lines) skipLF() {
	if b := l.in.Buffered(); l.afterCR && len(b) > 0 {
		l.afterCR = false
		if b[0] == '\n' {
			l.in.Discard(1)
		}
	}
}

// take returns the line that end ends.
func (l *lines) take(line []byte, end byte) (string, error) {
	if len(line) > l.limit {
		return "", &LimitError{l.limit}
	}
	s := string(line)
	l.in.Discard(len(line) + 1)
	l.afterCR = end == '\r'
	return s, nil
}

// last returns what lies before the end of the stream, then the end.
func (l *lines) last(end error) (string, error) {
	line := string(l.in.Buffered())
	if line == "" {
		return "", end
	}
	l.in.Discard(len(line))
	return line, nil
}

// lineEnd returns where the first line of b ends, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}
