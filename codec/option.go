package codec

// The options of the constructors. Each constructor takes those that mean something for it; any other does not compile.
type (
	// LengthOption is an option of [Prefixed], [Nullable] and [NewLength]: [Max] or [Adjust].
	LengthOption interface{ applyLength(*lengthOptions) }

	// DelimitedOption is an option of [Delimited]: [Max], [Or], [KeepDelimiter], [Escape], [OrEnd] or [UnlessBefore].
	DelimitedOption interface{ applyDelimited(*delimitedOptions) }

	// MaxOption is made by [Max], which is an option of every codec with a limit.
	MaxOption struct{ max int }
)

type lengthOptions struct{ max, adjust int }

type delimitedOptions struct {
	max     int
	or      []string
	unless  string
	keep    bool
	orEnd   bool
	escapes bool
	escape  byte
}

// Max is the largest frame in bytes, or count in elements, in both directions. For two limits, make two codecs and
// give them to [FrameBoth].
func Max(n int) MaxOption {
	refuse(n < 0, "Max: n must be at least 0, got %d", n)
	return MaxOption{n}
}

func (o MaxOption) applyLength(to *lengthOptions)       { to.max = o.max }
func (o MaxOption) applyDelimited(to *delimitedOptions) { to.max = o.max }
func (o MaxOption) applyLines(to *LinesCodec)           { to.max = o.max }
func (o MaxOption) applyJSONLines(to *jsonOptions)      { to.max = o.max }

// maxOf returns the last limit given.
func maxOf(opts []MaxOption, otherwise int) int {
	for _, o := range opts {
		otherwise = o.max
	}
	return otherwise
}

type adjustOption int

func (o adjustOption) applyLength(to *lengthOptions) { to.adjust = int(o) }

// Adjust is what the length on the wire counts beyond the bytes of the body: 4 if a length of four bytes includes
// itself, negative if the length leaves out some of the body.
func Adjust(n int) LengthOption { return adjustOption(n) }

type delimitedOption func(*delimitedOptions)

func (o delimitedOption) applyDelimited(to *delimitedOptions) { o(to) }

// Or names other delimiters that are understood when decoding.
func Or(delimiters ...string) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.or = append(o.or, delimiters...) })
}

// KeepDelimiter leaves the delimiter in what is decoded. When encoding it is appended unless it is there.
func KeepDelimiter() DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.keep = true })
}

// Escape makes b the byte that turns a delimiter, or itself, after it into an ordinary byte.
func Escape(b byte) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.escapes, o.escape = true, b })
}

// OrEnd lets the end of the enclosing frame, or of the stream, stand for the last delimiter.
func OrEnd() DelimitedOption { return delimitedOption(func(o *delimitedOptions) { o.orEnd = true }) }

// UnlessBefore ignores a delimiter that one of these bytes follows, as a folded header field of RFC 5322 goes on in a
// line that starts with a space or tab: UnlessBefore(" \t"). Decoding waits for the byte that follows, and a value that
// starts with such a byte is taken for a part of the one before it.
func UnlessBefore(bytes string) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.unless += bytes })
}
