package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Code is the reason for closing a connection; RFC 6455, 7.4, and the IANA registry.
type Code uint16

// The registered codes. NoStatus, Abnormal and BadTLS are never sent.
const (
	NormalClosure   Code = 1000
	GoingAway       Code = 1001 // a server that shuts down, a page that is left
	ProtocolError   Code = 1002
	UnsupportedData Code = 1003 // a kind of message that is not accepted
	NoStatus        Code = 1005 // the Close frame had no code
	Abnormal        Code = 1006 // there was no Close frame
	InvalidData     Code = 1007 // text that is not UTF-8, for instance
	PolicyViolation Code = 1008
	TooBig          Code = 1009
	MissingExt      Code = 1010 // an extension that the client needs
	InternalError   Code = 1011
	ServiceRestart  Code = 1012
	TryAgainLater   Code = 1013
	BadGateway      Code = 1014
	BadTLS          Code = 1015
)

// MaxReason is the maximum length of a close reason in bytes.
const MaxReason = maxControl - 2

// sendable reports whether RFC 6455 7.4 allows the code in a Close frame.
func (c Code) sendable() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// normal reports whether a peer that closes with the code has done what it wanted to do.
func (c Code) normal() bool { return c == NormalClosure || c == GoingAway || c == NoStatus }

// CloseError is the error of a connection that did not end cleanly: with a code other than 1000 and 1001, or without a
// Close frame (1006).
type CloseError struct {
	Code   Code
	Reason string

	// Local reports whether this side closed the connection, because the peer violated the protocol or did not respond.
	// A caller of Abort may set it, so that the text does not say that the peer closed.
	Local bool

	// Err is the cause, or nil. It is io.ErrUnexpectedEOF if the underlying stream ended without a Close frame.
	Err error
}

// Error returns the code, the reason and the cause.
func (e *CloseError) Error() string {
	text := "websocket: "
	if e.Local {
		text += "closed with "
	} else {
		text += "peer closed with "
	}
	if e.Code == Abnormal {
		text = "websocket: ended without a Close frame"
	} else {
		text += strconv.Itoa(int(e.Code))
	}
	if e.Reason != "" {
		text += fmt.Sprintf(": %q", e.Reason)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }

// Sendable reports whether a Close frame may carry the code and the reason.
func (e *CloseError) Sendable() bool { return checkClose(e.Code, e.Reason) == nil }

// ErrInvalidClose is the error of closing with a code that must not be sent, or a reason that is too long or not UTF-8.
var ErrInvalidClose = errors.New("websocket: invalid close code or reason")

// checkClose refuses what must not be sent.
func checkClose(code Code, reason string) error {
	switch {
	case !code.sendable():
		return fmt.Errorf("%w: code %d", ErrInvalidClose, code)
	case len(reason) > MaxReason:
		return fmt.Errorf("%w: reason of %d bytes, at most %d", ErrInvalidClose, len(reason), MaxReason)
	case !utf8.ValidString(reason):
		return fmt.Errorf("%w: reason is not UTF-8", ErrInvalidClose)
	}
	return nil
}

// parseClose reads the payload of a Close frame.
func parseClose(p []byte) (code Code, reason string, err error) {
	switch len(p) {
	case 0:
		return NoStatus, "", nil
	case 1:
		return 0, "", protocolError("Close frame of one byte")
	}
	code = Code(binary.BigEndian.Uint16(p))
	switch {
	case !code.sendable():
		return 0, "", protocolError(fmt.Sprintf("invalid close code %d", code))
	case !utf8.Valid(p[2:]):
		return 0, "", &CloseError{Code: InvalidData, Reason: "reason is not UTF-8", Local: true}
	}
	return code, string(p[2:]), nil
}

// appendClose appends the payload of a Close frame.
func appendClose(dst []byte, code Code, reason string) []byte {
	if code == NoStatus {
		return dst
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}

// protocolError is the end of a connection whose peer has broken RFC 6455.
func protocolError(what string) error {
	return &CloseError{Code: ProtocolError, Reason: what, Local: true}
}

func tooBig(what string, limit int64) error {
	return &CloseError{Code: TooBig, Reason: fmt.Sprintf("%s exceeds the limit of %d bytes", what, limit), Local: true, Err: ErrTooLarge}
}
