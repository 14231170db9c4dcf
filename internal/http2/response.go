package http2

import (
	"errors"
	"strings"

	"github.com/weir-go/weir/internal/http1"
	"github.com/weir-go/weir/internal/stream"
)

var errTooLarge = stream.ErrTooLarge

// errTrailers is the cause of a stream whose trailers exceed their limits.
var errTrailers = joined("trailers too long", errTooLarge)

func joined(text string, err error) error { return errors.Join(errors.New(text), err) }

// Head is the head of a response, as a client reads it. The caller owns it.
type Head struct {
	Status int
	Fields []Field
	Length int64 // the Content-Length, or -1
	End    bool  // there is no body
}

// Informational reports whether another head follows.
func (h *Head) Informational() bool { return h.Status < 200 }

// parseHead reads the header list of a response.
func parseHead(fields []Field, end bool, limits *http1.Limits) (h Head, err *StreamError) {
	h = Head{Length: -1, End: end}
	if len(fields) == 0 || fields[0].Name != ":status" || !validStatus(fields[0].Value, &h.Status) {
		return h, malformed("no valid :status")
	}
	fields = fields[1:]
	switch {
	case h.Status == 101, h.Informational() && end:
		return h, malformed("status that HTTP/2 does not have here")
	case len(fields) > limits.Fields:
		return h, &StreamError{Code: Cancel, cause: joined("too many fields", errTooLarge)}
	}
	for i := range fields {
		f := &fields[i]
		if strings.HasPrefix(f.Name, ":") {
			return h, malformed("misplaced pseudo field")
		}
		known, err := checkField(f)
		if err != nil {
			return h, err
		}
		if known == http1.ContentLength {
			if err := parseLength(&h.Length, f.Value); err != nil {
				return h, err
			}
		}
	}
	h.Fields = append([]Field(nil), fields...)
	return h, nil
}

// validStatus parses three digits, from 100 on.
func validStatus(value string, to *int) bool {
	if len(value) != 3 || value[0] < '1' {
		return false
	}
	n := 0
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return false
		}
		n = n*10 + int(value[i]-'0')
	}
	*to = n
	return true
}
