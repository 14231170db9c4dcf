package codec

import (
	"fmt"
	"slices"
	"strconv"
)

// Option changes a codec that is being built. Each constructor names the options that it takes and panics at others.
type Option func(*options)

type options struct {
	given   map[string]bool
	max     int
	adjust  int
	or      []string
	keep    bool
	orEnd   bool
	escapes bool
	escape  byte
}

// Max is the largest frame in bytes, or count in elements, in both directions. For two limits, make two codecs and
// give them to [FrameBoth].
func Max(n int) Option {
	if n < 0 {
		panic(fmt.Sprintf("codec: Max: n must be at least 0, got %d", n))
	}
	return func(o *options) { o.set("Max"); o.max = n }
}

// Adjust is what the length on the wire counts beyond the bytes of the body: 4 if a length of four bytes includes
// itself, negative if the length leaves out some of the body.
func Adjust(n int) Option {
	return func(o *options) { o.set("Adjust"); o.adjust = n }
}

// Or names other delimiters that are understood on receipt.
func Or(delimiters ...string) Option {
	return func(o *options) { o.set("Or"); o.or = append(o.or, delimiters...) }
}

// KeepDelimiter leaves the delimiter in what is decoded. On sending it is appended unless it is there.
func KeepDelimiter() Option { return func(o *options) { o.set("KeepDelimiter"); o.keep = true } }

// Escape makes b the byte that turns a delimiter, or itself, behind it into an ordinary byte.
func Escape(b byte) Option {
	return func(o *options) { o.set("Escape"); o.escapes, o.escape = true, b }
}

// OrEnd lets the end of the frame around, or of the stream, stand for the last delimiter.
func OrEnd() Option { return func(o *options) { o.set("OrEnd"); o.orEnd = true } }

func (o *options) set(name string) { o.given[name] = true }

// resolve applies opts for a constructor that takes only those named.
func resolve(constructor string, opts []Option, max int, names ...string) options {
	o := options{given: map[string]bool{}, max: max}
	for _, opt := range opts {
		opt(&o)
	}
	for name := range o.given {
		if !slices.Contains(names, name) {
			panic(fmt.Sprintf("codec: %s takes no option %s", constructor, name))
		}
	}
	return o
}

func itoa(n int) string { return strconv.Itoa(n) }
