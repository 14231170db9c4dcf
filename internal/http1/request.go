package http1

import (
	"context"

	"github.com/weir-go/weir/internal/stream"
)

// RequestHead is the head of a request, as a server reads it. A connection keeps one and reads every head into it. The
// slices it returns lie in the window of the source, and are valid until the next Fill or Read of it.
type RequestHead struct {
	section
	stage  stage
	empty  int // empty lines before the request
	method span
	target span
	limits *Limits

	// Minor is the version: 0 for HTTP/1.0, 1 for HTTP/1.1 and every later HTTP/1.
	Minor int

	// Form is the form of the target.
	Form Form

	// Authority is the authority of the target in absolute or authority form, otherwise the Host field; nil if a request
	// in HTTP/1.0 has none.
	Authority []byte

	// Framing is the body that follows.
	Framing Framing

	// KeepAlive reports whether the client lets the connection serve another request.
	KeepAlive bool

	// Upgrade reports whether the connection options include upgrade.
	Upgrade bool

	// Expects reports whether a request of HTTP/1.1 has an Expect field that is not empty.
	Expects bool
}

// span is a part of the window.
type span struct{ from, to int }

// stage is how far a head has been parsed.
type stage uint8

const (
	atStart stage = iota
	atFields
	atEnd
)

// Read waits for a whole head. It discards nothing; see [RequestHead.Discard]. It returns io.EOF if the stream ended
// before the head, io.ErrUnexpectedEOF if it ended within the head, and an [*Error] if the head breaks a rule. Any
// other error is the one of Fill, after which Read may be called again.
func (h *RequestHead) Read(ctx context.Context, src stream.ByteSource, limits *Limits) error {
	h.Reset(limits)
	for {
		switch done, err := h.Parse(src.Buffered()); {
		case err != nil:
			return err
		case done:
			return nil
		}
		if err := fill(ctx, src, h.start); err != nil {
			return err
		}
	}
}

// Reset prepares for another head.
func (h *RequestHead) Reset(limits *Limits) {
	h.restart()
	h.section.limit, h.section.field, h.section.many = limits.Head, limits.Field, limits.Fields
	h.tooLong, h.tooMany = errHeadLong, errFieldsMany
	h.stage, h.empty, h.limits = atStart, 0, limits
	h.Minor, h.Form, h.Authority, h.Framing = 0, Origin, nil, Framing{}
	h.KeepAlive, h.Upgrade, h.Expects = false, false, false
}

// Parse parses what has arrived of a head, and reports whether it is complete. The next call takes the same bytes with
// more after them. The error is an *Error.
func (h *RequestHead) Parse(p []byte) (done bool, err error) {
	if err := h.parse(p); err != nil {
		return false, err
	}
	return h.stage == atEnd, nil
}

func (h *RequestHead) parse(p []byte) *Error {
	if h.stage == atStart {
		if err := h.skipEmpty(p); err != nil {
			return err
		}
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
			return h.finish()
		}
	}
	return nil
}

// skipEmpty skips the empty lines that some clients send after a body. RFC 9112 2.2.
func (h *RequestHead) skipEmpty(p []byte) *Error {
	for h.next < len(p) && (p[h.next] == '\r' || p[h.next] == '\n') {
		switch {
		case h.empty >= h.limits.EmptyLines:
			return errEmptyLines
		case p[h.next] == '\n':
			return errLineEnd
		case h.next+1 == len(p):
			return nil
		case p[h.next+1] != '\n':
			return errMethod
		}
		h.empty++
		h.next += 2
		h.start, h.seen = h.next, h.next
	}
	return nil
}

// startLine takes the request line, if it is complete. Bytes that cannot start a method are refused before that, so
// that another protocol, such as TLS, gets an answer.
func (h *RequestHead) startLine(p []byte) *Error {
	if h.next == len(p) || p[h.next] == '\r' {
		return nil
	}
	methodEnd, err := h.methodEnd(p)
	if err != nil {
		return err
	}
	end, next, err := h.line(p, h.limits.StartLine, errLineLong)
	if err != nil || next == 0 {
		return err
	}
	if err := h.requestLine(p, methodEnd, end); err != nil {
		return err
	}
	h.next = next
	h.stage = atFields
	return nil
}

// methodEnd returns where the method ends, or the end of p.
func (h *RequestHead) methodEnd(p []byte) (int, *Error) {
	at := h.next
	for at < len(p) && class[p[at]]&isToken != 0 {
		if at-h.next == h.limits.Method {
			return 0, errMethodLong
		}
		at++
	}
	if at < len(p) && (p[at] != ' ' || at == h.next) {
		return 0, errMethod
	}
	return at, nil
}

// requestLine parses method SP target SP version. RFC 9112 3.
func (h *RequestHead) requestLine(p []byte, methodEnd, end int) *Error {
	const version = len(" HTTP/1.1")
	targetEnd := end - version
	if targetEnd <= methodEnd || p[targetEnd] != ' ' {
		return errRequestLine
	}
	minor, err := parseVersion(p[targetEnd+1 : end])
	if err != nil {
		return err
	}
	h.Minor = minor
	h.method, h.target = span{h.next, methodEnd}, span{methodEnd + 1, targetEnd}
	h.Form, h.Authority, err = parseTarget(p[h.method.from:methodEnd], p[methodEnd+1:targetEnd])
	return err
}

// parseVersion parses HTTP/1.x, and distinguishes it from other versions with one digit each.
func parseVersion(p []byte) (minor int, err *Error) {
	if len(p) != len("HTTP/1.1") || string(p[:5]) != "HTTP/" || p[6] != '.' || !isDigit(p[5]) || !isDigit(p[7]) {
		return 0, errVersion
	}
	switch p[5] {
	case '0':
		return 0, errVersion // HTTP/0 never had a version
	case '1':
		return min(int(p[7]-'0'), 1), nil
	}
	return 0, errUnsupported
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// finish checks the fields together.
func (h *RequestHead) finish() *Error {
	var m framed
	m.collect(&h.Fields, false)
	if err := h.checkHost(&m); err != nil {
		return err
	}
	framing, err := m.request(h.Minor)
	if err != nil {
		return err
	}
	if h.Form == Authority && (framing.Kind == Chunked || framing.Length > 0) {
		return errConnectBody // one reader takes what follows for a tunnel, another for a body: RFC 9110 9.3.6
	}
	h.Framing = framing
	h.KeepAlive, h.Upgrade, h.Expects = m.persists(h.Minor), m.upgrade, m.expect && h.Minor > 0
	if h.Form == Absolute || h.Form == Authority {
		_, h.Authority, _ = parseTarget(h.Method(), h.Target()) // the window may have moved since
	} else {
		h.Authority = m.host
	}
	return nil
}

// checkHost requires one valid Host, whatever the target is. RFC 9112 3.2.
func (h *RequestHead) checkHost(m *framed) *Error {
	switch {
	case m.hosts > 1, m.hosts == 0 && h.Minor > 0:
		return errHostCount
	case m.hosts == 1 && !ValidHost(m.host):
		return errHost
	}
	return nil
}

// Method returns the method, a token as it was spelled.
func (h *RequestHead) Method() []byte { return h.window[h.method.from:h.method.to] }

// Target returns the request target as it was sent: visible ASCII without '#', not empty.
func (h *RequestHead) Target() []byte { return h.window[h.target.from:h.target.to] }

// Bytes returns the whole head. MethodIn, TargetIn, AuthorityIn, NameIn and ValueIn return parts of a string made of
// it, so that all strings of a request are one allocation.
func (h *RequestHead) Bytes() []byte { return h.window[:h.next] }

// MethodIn returns the method as a part of text.
func (h *RequestHead) MethodIn(text string) string { return text[h.method.from:h.method.to] }

// TargetIn returns the target as a part of text.
func (h *RequestHead) TargetIn(text string) string { return text[h.target.from:h.target.to] }

// AuthorityIn returns Authority as a part of text.
func (h *RequestHead) AuthorityIn(text string) string {
	if len(h.Authority) == 0 {
		return ""
	}
	from := cap(h.window) - cap(h.Authority) // both end where the window's array does
	return text[from : from+len(h.Authority)]
}

// Len returns how many bytes of the window the head takes, empty lines before it included.
func (h *RequestHead) Len() int { return h.next }

// Discard drops the head from the window of src. Its slices stay valid until the next Fill or Read.
func (h *RequestHead) Discard(src stream.ByteSource) { src.Discard(h.next) }
