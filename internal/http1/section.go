package http1

import (
	"bytes"
	"context"
	"io"

	"github.com/weir-go/weir/internal/stream"
)

// section reads the lines of a head or of trailers, up to the empty line that ends them. It checks each line once, in
// order, so the result does not depend on how much had arrived when.
type section struct {
	Fields
	lenient bool // a bare LF ends a line, and lines may be folded
	limit   int  // of the section
	field   int  // of a line in it
	many    int  // of fields

	tooLong, tooMany *Error

	start int // where the section begins in the window
	next  int // where the next line begins
	seen  int // how far that line has been searched for its end
	over  bool
}

func (s *section) restart() {
	s.Fields.reset()
	s.start, s.next, s.seen, s.over = 0, 0, 0, false
}

// line returns where the next line of the window ends, without and with its end, if it is complete. A line longer than
// limit, or than what the section has left, is an error.
func (s *section) line(p []byte, limit int, tooLong *Error) (end, next int, err *Error) {
	if left := s.limit - (s.next - s.start) - len("\r\n"); left < limit {
		limit, tooLong = left, s.tooLong
	}
	if limit < 0 {
		return 0, 0, tooLong
	}
	most := s.next + limit + len("\r\n")
	from := max(s.next, s.seen)
	at := bytes.IndexByte(p[from:max(from, min(len(p), most))], '\n')
	if at < 0 {
		s.seen = len(p)
		if len(p) >= most {
			return 0, 0, tooLong
		}
		return 0, 0, nil
	}
	at += from
	switch end = at; {
	case at > s.next && p[at-1] == '\r':
		end--
	case !s.lenient:
		return 0, 0, errLineEnd
	}
	if end-s.next > limit {
		return 0, 0, tooLong
	}
	return end, at + 1, nil
}

// lines takes the complete lines of the window, up to the empty one.
func (s *section) lines(p []byte) *Error {
	s.window = p
	for !s.over {
		end, next, err := s.line(p, s.field, errFieldLong)
		if err != nil || next == 0 {
			return err
		}
		if err := s.take(p, end); err != nil {
			return err
		}
		s.next = next
	}
	return nil
}

// take takes one line.
func (s *section) take(p []byte, end int) *Error {
	switch {
	case end == s.next:
		s.over = true
		return nil
	case isSpace(p[s.next]):
		if !s.lenient {
			return errFold
		}
		return s.fold(p, s.next, end, s.field)
	case len(s.list) >= s.many:
		return s.tooMany
	}
	return s.add(p, s.next, end)
}

// fill waits for more of a head. The end of the stream is unexpected if the head has begun, after start bytes of the
// window.
func fill(ctx context.Context, src stream.ByteSource, start int) error {
	err := src.Fill(ctx, 1)
	if err == io.EOF && len(src.Buffered()) > start {
		return io.ErrUnexpectedEOF
	}
	return err
}
