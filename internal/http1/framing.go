package http1

import (
	"bytes"
	"slices"
)

// Kind is how the end of a message's body is found.
type Kind uint8

const (
	NoBody     Kind = iota // the message ends with its head
	Sized                  // by a Content-Length
	Chunked                // by the last chunk
	UntilClose             // by the end of the stream
)

// Framing is the body that a head announces. RFC 9112 6.3.
type Framing struct {
	Kind   Kind
	Length int64 // of a Sized body
}

// framed is what the fields of a head say about the framing and the connection.
type framed struct {
	lengths      int   // Content-Length fields
	length       int64 // their value
	lengthErr    *Error
	codings      int // Transfer-Encoding fields
	coding       coding
	hosts        int
	host         []byte
	close, alive bool // Connection: close, keep-alive
	upgrade      bool // Connection: upgrade
	expect       bool
}

// collect goes through the fields once.
func (m *framed) collect(f *Fields, lenient bool) {
	for i := range f.list {
		switch f.list[i].known {
		case Host:
			m.hosts++
			m.host = f.Value(i)
		case ContentLength:
			m.addLength(f.Value(i), lenient)
		case TransferEncoding:
			m.codings++
			m.coding = m.coding.and(f.Value(i))
		case Connection:
			m.connection(f.Value(i))
		case Expect:
			m.expect = m.expect || len(bytes.Trim(f.Value(i), ", \t")) > 0 // an empty list expects nothing
		}
	}
}

// addLength adds a Content-Length. A client accepts several equal ones, in several fields or in a list.
func (m *framed) addLength(value []byte, lenient bool) {
	rest, more := value, true
	for more {
		var one []byte
		if one, rest, more = nextElement(rest); more && !lenient {
			m.lengthErr = errLength
			return
		}
		n, ok := parseLength(one)
		switch {
		case !ok:
			m.lengthErr = errLength
			return
		case m.lengths > 0 && (!lenient || n != m.length):
			m.lengthErr = errLengthTwice
			return
		}
		m.length = n
		m.lengths++
	}
}

// parseLength parses 1*DIGIT.
func parseLength(p []byte) (n int64, ok bool) {
	for _, c := range p {
		if c < '0' || c > '9' || n > (1<<63-1-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(p) > 0
}

// connection takes the options of a Connection field.
func (m *framed) connection(value []byte) {
	for more := true; more; {
		var option []byte
		option, value, more = nextElement(value)
		switch {
		case EqualFold(option, "close"):
			m.close = true
		case EqualFold(option, "keep-alive"):
			m.alive = true
		case EqualFold(option, "upgrade"):
			m.upgrade = true
		}
	}
}

// persists reports whether the connection may serve another message after this one.
func (m *framed) persists(minor int) bool { return !m.close && (minor > 0 || m.alive) }

// nextElement returns the first element of a list, without white space around it, and what follows its comma.
func nextElement(p []byte) (element, rest []byte, more bool) {
	end := 0
	for end < len(p) && p[end] != ',' {
		end++
	}
	from, to := trim(p, 0, end)
	if end == len(p) {
		return p[from:to], nil, false
	}
	return p[from:to], p[end+1:], true
}

// HasToken reports whether a list, such as the value of Connection, has the token, in any letter case. token has no
// letter in upper case.
func HasToken(value []byte, token string) bool {
	for more := true; more; {
		var element []byte
		if element, value, more = nextElement(value); EqualFold(element, token) {
			return true
		}
	}
	return false
}

// AnyHasToken is [HasToken] for lists, such as the values of all fields of a name.
func AnyHasToken(values []string, token string) bool {
	return slices.ContainsFunc(values, func(value string) bool { return HasToken([]byte(value), token) })
}

// coding is the sequence of the transfer codings of a message.
type coding uint8

const (
	noCoding     coding = iota
	justChunked         // chunked alone
	codedChunked        // others, then chunked
	notChunked          // others
	chunkedCoded        // chunked, then others
	badCoding           // chunked twice, an empty element, or no token
)

// and adds a further Transfer-Encoding field.
func (c coding) and(value []byte) coding {
	for more := true; more; {
		var element []byte
		element, value, more = nextElement(value)
		c = c.then(element)
	}
	return c
}

func (c coding) then(element []byte) coding {
	if c == badCoding || !ValidToken(element) {
		return badCoding
	}
	chunked := EqualFold(element, "chunked")
	switch {
	case c == noCoding && chunked:
		return justChunked
	case c == notChunked && chunked:
		return codedChunked
	case chunked:
		return badCoding
	case c == noCoding, c == notChunked:
		return notChunked
	}
	return chunkedCoded
}

// request is the framing of a request. A server must not guess: RFC 9112 6.1 and 6.3.
func (m *framed) request(minor int) (Framing, *Error) {
	switch {
	case m.codings > 0 && m.lengths+m.lengthCount() > 0:
		return Framing{}, errLengthCoding
	case m.codings > 0 && minor == 0:
		return Framing{}, errCodingVersion
	case m.codings > 1:
		return Framing{}, errCoding
	case m.codings == 1:
		return m.requestCoding()
	case m.lengthErr != nil:
		return Framing{}, m.lengthErr
	case m.lengths == 1:
		return Framing{Kind: Sized, Length: m.length}, nil
	}
	return Framing{}, nil
}

func (m *framed) lengthCount() int {
	if m.lengthErr != nil {
		return 1
	}
	return 0
}

func (m *framed) requestCoding() (Framing, *Error) {
	switch m.coding {
	case justChunked:
		return Framing{Kind: Chunked}, nil
	case codedChunked:
		return Framing{}, errCodingUnknown
	}
	return Framing{}, errCoding
}

// response is the framing of a response with a body. reuse is false if the connection must not be used again.
func (m *framed) response(minor int) (f Framing, reuse bool, err *Error) {
	switch {
	case m.codings > 0 && minor == 0:
		return Framing{Kind: UntilClose}, false, nil
	case m.codings > 0:
		return m.responseCoding()
	case m.lengthErr != nil:
		return Framing{}, false, m.lengthErr
	case m.lengths > 0:
		return Framing{Kind: Sized, Length: m.length}, true, nil
	}
	return Framing{Kind: UntilClose}, false, nil
}

func (m *framed) responseCoding() (f Framing, reuse bool, err *Error) {
	switch m.coding {
	case justChunked:
		return Framing{Kind: Chunked}, m.lengths+m.lengthCount() == 0, nil
	case codedChunked:
		return Framing{}, false, errCodingUnknown
	case notChunked, chunkedCoded:
		return Framing{Kind: UntilClose}, false, nil
	}
	return Framing{}, false, errCoding
}
