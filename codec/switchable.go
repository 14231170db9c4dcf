package codec

// Switchable is a codec that stands for another one, which can be exchanged between two frames of a conversation: after
// a handshake, for a negotiated limit, or when compression starts. No received bytes are lost: each frame is decoded by
// the codec that is set when its decoding starts. If the types differ as well, use [Recv].
//
// A Switchable belongs to one conversation. If the two directions do not change at the same time, each needs its own.
// Call Set when no frame of the old codec can follow: between two calls of Recv, in the goroutine that makes them, or
// between two calls of Send. The channel of C decodes ahead, so the exact frame of a switch is not defined for it.
type Switchable[T any] struct {
	c    Codec[T]
	open bool // for good
}

// NewSwitchable returns a Switchable that stands for c.
func NewSwitchable[T any](c Codec[T]) *Switchable[T] {
	notNil(c, "NewSwitchable")
	return &Switchable[T]{c, SizeOf(c).Open}
}

// Set makes b stand for c from the next frame on. It panics if only one of the old and the new codec is open-ended,
// because the codecs around b were built for that property.
func (b *Switchable[T]) Set(c Codec[T]) {
	notNil(c, "Switchable")
	refuse(SizeOf(c).Open != b.open, "Switchable: only one of the old and the new codec takes all bytes up to the end of its frame")
	b.c = c
}

// Append calls Append of the current codec.
func (b *Switchable[T]) Append(dst []byte, v T) ([]byte, error) { return b.c.Append(dst, v) }

// Decode calls Decode of the current codec.
func (b *Switchable[T]) Decode(r *Reader) (T, error) { return b.c.Decode(r) }

// Size returns bounds that hold for every codec.
func (b *Switchable[T]) Size() Size {
	return Size{Max: Unbounded, Open: b.open, varies: !b.open}
}

// switched is a Switchable with the methods that Switchable must not have: a type of the user that embeds it and has its
// own Append and Decode would inherit them, and they would be called instead.
type switched[T any] struct{ *Switchable[T] }

func (s switched[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	return appendHead(s.c, dst, v)
}

func (s switched[T]) opensFor(v T) bool { return opens(s.c, v) }

// full returns c with all methods that it has for this package.
func full[T any](c Codec[T]) Codec[T] {
	if s, ok := c.(*Switchable[T]); ok {
		return switched[T]{s}
	}
	return c
}
