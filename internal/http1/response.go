package http1

import (
	"context"

	"github.com/weir-go/weir/internal/stream"
)

// ResponseHead is the head of a response, as a client reads it. It is used as a [RequestHead] is.
//
// Unlike a server, a client accepts a bare LF at the end of a line of a head, joins a folded field by a space, takes
// equal lengths for one and a chunked body that also has a length for chunked, and does not insist on a reason. RFC 9112
// 2.2, 4, 5.2, 6.3.
type ResponseHead struct {
	section
	stage  stage
	reason span
	limits *Limits

	// Minor is the version: 0 for HTTP/1.0, 1 for HTTP/1.1 and every later HTTP/1.
	Minor int

	// Status is the status code, 100 to 999. Treat 600 and above as server errors.
	Status int

	// Upgrade and Close report whether the connection options include upgrade and close.
	Upgrade, Close bool

	marks framed
}

// Read waits for a whole head, as [RequestHead.Read] does. An informational response, with a status from 100 to 199, is
// a head without a body. Another response follows it, except after a 101.
func (h *ResponseHead) Read(ctx context.Context, src stream.ByteSource, limits *Limits) error {
	h.Reset(limits)
	for {
		switch done, err := h.Parse(src.Buffered()); {
		case err != nil:
			return err
		case done:
			return nil
		}
		if err := fill(ctx, src, 0); err != nil {
			return err
		}
	}
}

// Reset prepares for another head.
func (h *ResponseHead) Reset(limits *Limits) {
	h.restart()
	h.lenient = true
	h.section.limit, h.section.field, h.section.many = limits.Head, limits.Field, limits.Fields
	h.tooLong, h.tooMany = errHeadLong, errFieldsMany
	h.stage, h.limits, h.marks = atStart, limits, framed{}
	h.Minor, h.Status, h.Upgrade, h.Close = 0, 0, false, false
}

// Parse parses what has arrived of a head, as [RequestHead.Parse] does.
func (h *ResponseHead) Parse(p []byte) (done bool, err error) {
	if err := h.parse(p); err != nil {
		return false, err
	}
	return h.stage == atEnd, nil
}

func (h *ResponseHead) parse(p []byte) *Error {
	if h.stage == atStart {
		if err := h.startLine(p); err != nil {
			return err
		}
	}
	if h.stage == atFields {
		if err := h.lines(p); err != nil {
			return err
		}
		if h.over {
			h.stage = atEnd
			h.marks.collect(&h.Fields, true)
			h.Upgrade, h.Close = h.marks.upgrade, h.marks.close
		}
	}
	return nil
}

// startLine takes the status line, if it is complete. Bytes that cannot start one are refused before that.
func (h *ResponseHead) startLine(p []byte) *Error {
	const prefix = "HTTP/"
	if n := min(len(p), len(prefix)); string(p[:n]) != prefix[:n] {
		return errNotHTTP
	}
	end, next, err := h.line(p, h.limits.StartLine, errLineLong)
	if err != nil || next == 0 {
		return err
	}
	if err := h.statusLine(p, end); err != nil {
		return err
	}
	h.next = next
	h.stage = atFields
	return nil
}

// statusLine parses version SP status [ SP reason ]. RFC 9112 4.
func (h *ResponseHead) statusLine(p []byte, end int) *Error {
	const version, status = len("HTTP/1.1"), len("HTTP/1.1 200")
	if end < status || p[version] != ' ' {
		return errStatusLine
	}
	minor, err := parseVersion(p[:version])
	if err != nil {
		return err
	}
	digits := p[version+1 : status]
	if digits[0] < '1' || !isDigit(digits[0]) || !isDigit(digits[1]) || !isDigit(digits[2]) {
		return errStatusLine
	}
	if end > status && (p[status] != ' ' || !validValue(p[status:end])) {
		return errStatusLine
	}
	h.Minor = minor
	h.Status = int(digits[0]-'0')*100 + int(digits[1]-'0')*10 + int(digits[2]-'0')
	h.reason = span{min(status+1, end), end}
	return nil
}

// Reason returns the reason phrase, which may be empty.
func (h *ResponseHead) Reason() []byte { return h.window[h.reason.from:h.reason.to] }

// Bytes returns the whole head. NameIn and ValueIn return parts of a string made of it.
func (h *ResponseHead) Bytes() []byte { return h.window[:h.next] }

// Framing returns the framing of the body that follows a response to a request with that method. reuse reports whether
// the connection may carry another request after it. The error is an *Error.
func (h *ResponseHead) Framing(method string) (f Framing, reuse bool, err error) {
	persists := h.marks.persists(h.Minor)
	if h.Status < 200 || h.Status == 204 || h.Status == 304 || method == "HEAD" {
		return Framing{}, persists && h.Status != 101, nil
	}
	if method == "CONNECT" && h.Status < 300 {
		return Framing{}, false, nil
	}
	f, reuse, failure := h.marks.response(h.Minor)
	if failure != nil {
		return Framing{}, false, failure
	}
	return f, reuse && persists, nil
}

// DeclaredLength returns the Content-Length, or -1. In a response to HEAD it is the length that GET would return.
func (h *ResponseHead) DeclaredLength() int64 {
	if h.marks.lengths == 0 || h.marks.lengthErr != nil || h.marks.codings > 0 {
		return -1
	}
	return h.marks.length
}

// Len returns how many bytes of the window the head takes.
func (h *ResponseHead) Len() int { return h.next }

// Discard drops the head from the window of src. Its slices stay valid until the next Fill or Read.
func (h *ResponseHead) Discard(src stream.ByteSource) { src.Discard(h.next) }
