package codec

// Options of the constructors. Each constructor accepts the options that apply to it; any other does not compile.
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

// Max limits the size of a frame in bytes, or a count in elements, in both directions. For different limits in the two
// directions, make two codecs and pass them to [FrameBoth].
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

// Adjust is for a length on the wire that counts n more than the bytes of the body: 4 if a length of four bytes includes
// itself, negative if the length excludes a part of the body.
func Adjust(n int) LengthOption { return adjustOption(n) }

type delimitedOption func(*delimitedOptions)

func (o delimitedOption) applyDelimited(to *delimitedOptions) { o(to) }

// Or adds delimiters that are recognized when decoding.
func Or(delimiters ...string) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.or = append(o.or, delimiters...) })
}

// KeepDelimiter keeps the delimiter in the decoded value. When encoding, the delimiter is appended unless the value
// ends in it.
func KeepDelimiter() DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.keep = true })
}

// Escape makes b the escape byte: a delimiter, or b itself, directly after it is an ordinary byte.
func Escape(b byte) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.escapes, o.escape = true, b })
}

// OrEnd makes the end of the enclosing frame, or of the stream, count as the last delimiter.
func OrEnd() DelimitedOption { return delimitedOption(func(o *delimitedOptions) { o.orEnd = true }) }

// UnlessBefore ignores a delimiter that one of these bytes follows. UnlessBefore(" \t") decodes folded header fields
// (RFC 5322), which continue on a line that starts with a space or tab. Decoding waits for the byte after the
// delimiter. A value that starts with one of these bytes would be taken for a part of the value before it.
func UnlessBefore(bytes string) DelimitedOption {
	return delimitedOption(func(o *delimitedOptions) { o.unless += bytes })
}
