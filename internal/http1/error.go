package http1

import "github.com/weir-go/weir/internal/stream"

// Error is a broken rule of a message. Errors of one kind are one value, so they may be compared.
type Error struct {
	// Status is the status that a server answers: 400, 414, 431, 501 or 505. A client ignores it.
	Status int

	text  string
	limit bool
}

// Error returns the text with its package.
func (e *Error) Error() string { return "http: " + e.text }

// Unwrap returns stream.ErrTooLarge if the message exceeds a limit.
func (e *Error) Unwrap() error {
	if e.limit {
		return stream.ErrTooLarge
	}
	return nil
}

func malformed(text string) *Error { return &Error{Status: 400, text: text} }

func exceeded(status int, text string) *Error { return &Error{Status: status, text: text, limit: true} }

// Errors of start lines.
var (
	errMethod      = malformed("malformed method")
	errMethodLong  = exceeded(400, "method too long")
	errRequestLine = malformed("malformed request line")
	errTarget      = malformed("malformed request target")
	errTargetForm  = malformed("request target does not fit the method")
	errVersion     = malformed("malformed HTTP version")
	errUnsupported = &Error{Status: 505, text: "unsupported HTTP version"}
	errLineLong    = exceeded(414, "start line too long")
	errEmptyLines  = exceeded(400, "too many empty lines before a request")
	errStatusLine  = malformed("malformed status line")
	errNotHTTP     = malformed("malformed status line: the server does not speak HTTP/1.1")
)

// Errors of fields.
var (
	errLineEnd    = malformed("line not ended by CRLF")
	errHeadLong   = exceeded(431, "head too long")
	errFieldLong  = exceeded(431, "header field too long")
	errFieldsMany = exceeded(431, "too many header fields")
	errFold       = malformed("folded header field")
	errFieldName  = malformed("malformed header field name")
	errFieldValue = malformed("invalid character in a header field value")
	errHost       = malformed("malformed Host")
	errHostCount  = malformed("Host not given exactly once")
)

// Errors of framing.
var (
	errLength        = malformed("malformed Content-Length")
	errLengthTwice   = malformed("Content-Length given more than once")
	errLengthCoding  = malformed("Content-Length with Transfer-Encoding")
	errCoding        = malformed("malformed Transfer-Encoding")
	errCodingVersion = malformed("Transfer-Encoding in HTTP/1.0")
	errConnectBody   = malformed("CONNECT with a body")
	errCodingUnknown = &Error{Status: 501, text: "unsupported transfer coding"}
	errChunkLine     = malformed("malformed chunk line")
	errChunkLong     = exceeded(400, "chunk line too long")
	errChunkSize     = exceeded(400, "chunk size too large")
	errChunkExcess   = exceeded(400, "too much besides data in a chunked body")
	errChunkEnd      = malformed("chunk data not followed by CRLF")
	errTrailerLong   = exceeded(431, "trailers too long")
	errTrailersMany  = exceeded(431, "too many trailers")
)
