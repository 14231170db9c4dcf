package sse

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
)

// DefaultMaxEvent is the default limit on the size of an event in bytes, including its fields and comments.
const DefaultMaxEvent = 1 << 20

// Event is one event. Its text is UTF-8.
type Event struct {
	// ID identifies the event; a client that reconnects sends the ID of the last event it has seen. In a received event
	// it is the last ID that the stream has set, possibly in an earlier event.
	ID string

	// Type is the event field: the event name that a page listens for. "" means message.
	Type string

	// Data is the content. It may have several lines; each CR, LF and CR LF arrives as LF.
	Data string

	// Retry, if not 0, tells the client how long to wait before it reconnects, in whole milliseconds.
	Retry time.Duration

	// Comment is ignored by every client and not received. An Event with a Comment or a Retry, but without Type and
	// Data, is not an event for a page: it keeps a connection alive, and its ID, if any, counts as seen.
	Comment string
}

// Events returns a codec of single events. It remembers no earlier events, so an event has an ID only if it sets one
// itself, or if a preceding block of fields without data does; use [Decode] for a stream. max limits the size of an
// event in bytes, and that of the blocks and comments before it; 0 means 1 MiB.
//
//	Event{ID: "7", Data: "hello\nworld"}:
//	id: 7
//	data: hello
//	data: world
//	                 an empty line
func Events(max int) codec.Codec[Event] {
	if max <= 0 {
		max = DefaultMaxEvent
	}
	return eventCodec{max}
}

type eventCodec struct{ max int }

// Append appends an event and the empty line behind it.
func (c eventCodec) Append(dst []byte, e Event) ([]byte, error) {
	if err := e.check(); err != nil {
		return dst, err
	}
	start := len(dst)
	if e.Comment != "" {
		dst = appendLines(dst, "", e.Comment)
	}
	if e.Retry > 0 {
		dst = strconv.AppendInt(append(dst, "retry: "...), e.Retry.Milliseconds(), 10)
		dst = append(dst, '\n')
	}
	if e.ID != "" {
		dst = append(append(append(dst, "id: "...), e.ID...), '\n')
	}
	if e.Type != "" {
		dst = append(append(append(dst, "event: "...), e.Type...), '\n')
	}
	if !e.silent() {
		dst = appendLines(dst, "data", e.Data)
	}
	dst = append(dst, '\n')
	if len(dst)-start > c.max {
		return dst, tooLarge(c.max)
	}
	return dst, nil
}

// silent reports whether a page hears nothing of the event.
func (e *Event) silent() bool {
	return e.Data == "" && e.Type == "" && (e.Comment != "" || e.Retry != 0)
}

// unfit are the bytes that no ID and no type may have.
const unfit = "\r\n\x00"

// check refuses what would be taken for another field.
func (e *Event) check() error {
	if i := strings.IndexAny(e.ID, unfit); i >= 0 { // receivers ignore an ID with NUL
		return codec.WrapField("ID", fmt.Errorf("%w: %q at index %d", codec.ErrMalformed, e.ID[i], i))
	}
	if i := strings.IndexAny(e.Type, unfit); i >= 0 {
		return codec.WrapField("Type", fmt.Errorf("%w: %q at index %d", codec.ErrMalformed, e.Type[i], i))
	}
	if e.Retry < 0 || e.Retry%time.Millisecond != 0 {
		return codec.WrapField("Retry", fmt.Errorf("%w: %v is not a number of milliseconds", codec.ErrMalformed, e.Retry))
	}
	return nil
}

// appendLines appends a field for each line of text.
func appendLines(dst []byte, name, text string) []byte {
	for {
		line, rest, more := cutLine(text)
		dst = append(append(dst, name...), ':')
		if line != "" {
			dst = append(append(dst, ' '), line...)
		}
		dst = append(dst, '\n')
		if !more {
			return dst
		}
		text = rest
	}
}

// cutLine returns the first line of text, and what follows its end, if it has one.
func cutLine(text string) (line, rest string, more bool) {
	i := strings.IndexAny(text, "\r\n")
	if i < 0 {
		return text, "", false
	}
	if strings.HasPrefix(text[i:], "\r\n") {
		return text[:i], text[i+2:], true
	}
	return text[:i], text[i+1:], true
}

func tooLarge(limit int) error {
	return fmt.Errorf("sse: event longer than %d bytes: %w", limit, chanio.ErrTooLarge)
}

// Decode reads the next event: one that has data.
func (c eventCodec) Decode(r *codec.Reader) (Event, error) {
	var sum block
	for start := r.Offset(); ; {
		b, err := readBlock(r, c.max)
		if err != nil {
			return Event{}, err
		}
		sum.add(&b)
		if b.hasData {
			return sum.Event, nil
		}
		if r.Offset()-start > int64(c.max) { // r keeps all of it
			return Event{}, r.Fail(start, tooLarge(c.max))
		}
	}
}

// Size is that of the shortest event.
func (c eventCodec) Size() codec.Size { return codec.Size{Min: 6, Max: codec.Unbounded} }
