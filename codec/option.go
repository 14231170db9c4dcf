package codec

import "fmt"

// Option changes a codec that is being built. Each constructor names the options that it takes and panics at others.
type Option func(*options)

type options struct {
	given  map[string]bool
	max    int
	adjust int
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

func (o *options) set(name string) { o.given[name] = true }

// resolve applies opts for a constructor that takes only those named.
func resolve(constructor string, opts []Option, max int, names ...string) options {
	o := options{given: map[string]bool{}, max: max}
	for _, opt := range opts {
		opt(&o)
	}
	for name := range o.given {
		if !contains(names, name) {
			panic(fmt.Sprintf("codec: %s takes no option %s", constructor, name))
		}
	}
	return o
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
