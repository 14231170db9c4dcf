package http2

import (
	"errors"
	"fmt"

	frames "golang.org/x/net/http2"
)

// Code is an error code of HTTP/2, RFC 9113 7.
type Code uint32

// The codes of RFC 9113 7.
const (
	NoError            = Code(frames.ErrCodeNo)
	ProtocolError      = Code(frames.ErrCodeProtocol)
	InternalError      = Code(frames.ErrCodeInternal)
	FlowControlError   = Code(frames.ErrCodeFlowControl)
	SettingsTimeout    = Code(frames.ErrCodeSettingsTimeout)
	StreamClosed       = Code(frames.ErrCodeStreamClosed)
	FrameSizeError     = Code(frames.ErrCodeFrameSize)
	RefusedStream      = Code(frames.ErrCodeRefusedStream)
	Cancel             = Code(frames.ErrCodeCancel)
	CompressionError   = Code(frames.ErrCodeCompression)
	ConnectError       = Code(frames.ErrCodeConnect)
	EnhanceYourCalm    = Code(frames.ErrCodeEnhanceYourCalm)
	InadequateSecurity = Code(frames.ErrCodeInadequateSecurity)
	HTTP11Required     = Code(frames.ErrCodeHTTP11Required)
)

// String returns the name of the code as the RFC has it.
func (c Code) String() string { return frames.ErrCode(c).String() }

// StreamError is the end of a stream before its messages were complete: a RST_STREAM of either side, a GOAWAY for a
// lower stream id, or the end of the connection.
type StreamError struct {
	Code   Code
	Remote bool // the peer ended it

	unprocessed bool
	cause       error
}

// Error returns the code and the cause, and says which side has reset the stream.
func (e *StreamError) Error() string {
	switch {
	case e.Remote && e.cause == nil:
		return fmt.Sprintf("http2: stream reset by the peer: %v", e.Code)
	case e.Remote: // a RST_STREAM has no cause
		return fmt.Sprintf("http2: stream ended with its connection: %v: %v", e.Code, e.cause)
	case e.cause != nil:
		return fmt.Sprintf("http2: stream reset: %v: %v", e.Code, e.cause)
	}
	return fmt.Sprintf("http2: stream reset: %v", e.Code)
}

// Unwrap returns the cause, such as a [*ConnError], or nil.
func (e *StreamError) Unwrap() error { return e.cause }

// Unprocessed reports whether the peer is known not to have processed the request, so that it may be sent again,
// whatever its method (RFC 9113 8.7).
func (e *StreamError) Unprocessed() bool { return e.unprocessed }

// NeedsHTTP1 reports whether the peer did not process the request because it requires HTTP/1.1 (RFC 9113 7).
func (e *StreamError) NeedsHTTP1() bool {
	var leaves *ConnError
	return e.unprocessed && (e.Code == HTTP11Required || errors.As(e.cause, &leaves) && leaves.Remote && leaves.Code == HTTP11Required)
}

// ConnError is an error of a whole connection, which one side has reported to the other by a GOAWAY.
type ConnError struct {
	Code   Code
	Remote bool // the peer reports it
	Reason string

	cause error
}

// Unwrap returns the cause, or nil.
func (e *ConnError) Unwrap() error { return e.cause }

// Error returns the code and the reason, and says which side has ended the connection.
func (e *ConnError) Error() string {
	from := "error"
	if e.Remote {
		from = "GOAWAY of the peer"
	}
	if e.Reason != "" {
		return fmt.Sprintf("http2: %s: %v: %s", from, e.Code, e.Reason)
	}
	return fmt.Sprintf("http2: %s: %v", from, e.Code)
}

// Errors of connections and streams that end without a fault of either side.
var (
	errLeaving   = errors.New("http2: connection takes no new streams")
	errExhausted = errors.New("http2: connection has used all stream ids")
	errIdle      = errors.New("http2: connection idle for too long")
	errOver      = errors.New("http2: connection over")
	errDone      = errors.New("http2: stream is over")
)

// errNoSettings ends a connection whose peer sends no SETTINGS in time.
var errNoSettings = &ConnError{Code: SettingsTimeout, Reason: "no SETTINGS"}

// protocolError is a connection error because of what the peer sent.
func protocolError(reason string) *ConnError { return &ConnError{Code: ProtocolError, Reason: reason} }

// calm is the error of a connection whose peer exceeds a limit.
func calm(reason string) *ConnError { return &ConnError{Code: EnhanceYourCalm, Reason: reason} }

// malformed is the error of a stream whose peer sent a message that breaks a rule (RFC 9113 8.1.1).
func malformed(reason string) *StreamError {
	return &StreamError{Code: ProtocolError, cause: errors.New("malformed message: " + reason)}
}
