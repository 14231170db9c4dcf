package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/eof"
)

// Error describes what is wrong with a frame, and where. Match it with errors.As, and its cause with errors.Is:
// [io.ErrUnexpectedEOF] for a truncated frame, [ErrTooLarge] and the others below. It never matches io.EOF: a cause that
// does, such as that of a function passed to Map, matches io.ErrUnexpectedEOF instead.
type Error struct {
	Path   string // the field, such as "header.items[3].name"; may be empty
	Offset int64  // of the byte where decoding failed, from the start of the stream or slice; -1 if encoding failed
	Err    error  // what is wrong

	near []byte // the bytes around Offset
	mark int    // index of Offset in near
}

// Causes of an [Error], for errors.Is.
var (
	// ErrTooLarge: a length, count or value exceeds its limit. It is chanio.ErrTooLarge.
	ErrTooLarge = chanio.ErrTooLarge

	// ErrTrailingData: a frame has bytes after its value.
	ErrTrailingData = errors.New("trailing data")

	// ErrMismatch: bytes differ from those that the format requires, such as a magic number, checksum or tag.
	ErrMismatch = errors.New("mismatch")

	// ErrMalformed: bytes are invalid in their encoding, such as broken UTF-8, or a value has no encoding.
	ErrMalformed = errors.New("malformed")

	// ErrNoProgress: a value takes no bytes where values are repeated, possibly without end.
	ErrNoProgress = errors.New("value takes no bytes")

	// ErrTooDeep: values nested more deeply than the limit.
	ErrTooDeep = errors.New("nested too deeply")
)

// Error returns the path, the offset, the cause and up to 16 bytes around it, in hex and, if they are printable, as
// text. These bytes are a part of the payload: mind this when logging.
//
//	codec: header.name at byte 41: unexpected EOF, near 00 00 00 05 68 65 [end]
//	codec: at byte 5: invalid length "x", near 24 [78] 0d 0a "$x\r\n"
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("codec: ")
	if e.Path != "" {
		b.WriteString(e.Path + " ")
	}
	if e.Offset >= 0 {
		b.WriteString("at byte " + strconv.FormatInt(e.Offset, 10) + ": ")
	} else {
		b.WriteString("encode: ")
	}
	b.WriteString(e.Err.Error())
	if len(e.near) > 0 {
		b.WriteString(", near" + hexWindow(e.near, e.mark))
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// hexWindow prints p with the byte at mark in brackets.
func hexWindow(p []byte, mark int) string {
	var b strings.Builder
	for i, c := range p {
		format := " %02x"
		if i == mark {
			format = " [%02x]"
		}
		fmt.Fprintf(&b, format, c)
	}
	if mark >= len(p) {
		b.WriteString(" [end]")
	}
	if isText(p) {
		fmt.Fprintf(&b, " %q", p)
	}
	return b.String()
}

// isText reports whether p is printable ASCII.
func isText(p []byte) bool {
	return !bytes.ContainsFunc(p, func(c rune) bool { return (c < ' ' || c > '~') && c != '\t' && c != '\r' && c != '\n' })
}

// detail is a cause with details of the case.
type detail struct {
	kind error
	text string
}

func (d *detail) Error() string { return d.text }
func (d *detail) Unwrap() error { return d.kind }

// because returns an error that matches kind and has the text of format.
func because(kind error, format string, args ...any) error {
	return &detail{kind, fmt.Sprintf(format, args...)}
}

// malformed returns err as an ErrMalformed, which also matches err and others, and has the text of err.
func malformed(err error, others ...error) error {
	return &detail{errors.Join(append(others, ErrMalformed, err)...), err.Error()}
}

// tooLarge returns an ErrTooLarge about n, where limit is allowed.
func tooLarge(what string, n uint64, limit int) error {
	return because(ErrTooLarge, "%s %d exceeds the limit of %d", what, n, limit)
}

// WrapField returns err with name in front of its path. A codec written by hand calls it for each of its parts, so that
// an error has the path of the field. It costs nothing if err is nil. An err that is not an *Error becomes one.
func (r *Reader) WrapField(name string, err error) error {
	if err == nil {
		return nil
	}
	e := *r.locate(err)
	e.Path = joinPath(name, e.Path)
	return &e
}

// WrapField is [Reader.WrapField] for Append.
func WrapField(name string, err error) error {
	if err == nil {
		return nil
	}
	e := *encodeError(err)
	e.Path = joinPath(name, e.Path)
	return &e
}

// Fail returns err as an *Error about the byte at offset, as [Reader.Offset] counts.
func (r *Reader) Fail(offset int64, err error) error {
	e := &Error{Offset: offset, Err: eof.Unexpected(err)}
	e.near, e.mark = r.near(offset)
	return e
}

// locate returns err as an *Error, at the current byte if it has no offset.
func (r *Reader) locate(err error) *Error {
	if e := asError(err); e != nil && !errors.Is(e, io.EOF) {
		return e
	}
	return r.Fail(r.Offset(), err).(*Error)
}

func encodeError(err error) *Error {
	if e := asError(err); e != nil && !errors.Is(e, io.EOF) {
		return e
	}
	return &Error{Offset: -1, Err: eof.Unexpected(err)}
}

// asError returns the *Error in err, or nil. If a codec of the user has wrapped that, its cause is err.
func asError(err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok || err == error(e) {
		return e
	}
	return &Error{Path: e.Path, Offset: e.Offset, Err: err} // whose text shows the bytes
}

func isUnexpectedEOF(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

func joinPath(name, rest string) string {
	if name == "" || rest == "" || rest[0] == '[' {
		return name + rest
	}
	return name + "." + rest
}

// nearBytes is the number of bytes that a message shows on each side.
const nearBytes = 8

// near returns a copy of the bytes around offset that are at hand.
func (r *Reader) near(offset int64) (p []byte, mark int) {
	at := int(offset-r.start) - r.skew
	all := r.buf[:r.have]
	if at < 0 || at > len(all) {
		return nil, 0
	}
	from, to := max(at-nearBytes, 0), min(at+nearBytes, len(all))
	return append([]byte(nil), all[from:to]...), at - from
}
