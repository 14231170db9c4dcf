package codec

// Switchable is a codec that stands for another, which can be exchanged between two frames of a conversation: after a
// handshake, for a negotiated limit, or when compression begins. Bytes that have arrived are not lost: the next frame is
// decoded by the codec that is bound when its decoding begins. Where the types differ as well, see [Recv].
//
// A Switchable belongs to one conversation, and each direction has its own if the two do not change at once. Set is to be
// called where no frame of the old kind can follow: between two calls of Recv by the goroutine that makes them, or
// between two of Send. A channel of C decodes ahead, so it cannot be rebound with precision.
type Switchable[T any] struct {
	c    Codec[T]
	open bool // for good
}

// NewSwitchable returns a Switchable that stands for c.
func NewSwitchable[T any](c Codec[T]) *Switchable[T] {
	notNil(c, "NewSwitchable")
	return &Switchable[T]{c, SizeOf(c).Open}
}

// Set makes b stand for c from the next frame on. Either all its codecs are open-ended or none is, since what is around b
// was built for one of the two: Set panics otherwise.
func (b *Switchable[T]) Set(c Codec[T]) {
	notNil(c, "Switchable")
	refuse(SizeOf(c).Open != b.open, "Switchable: the codec differs from the one before in whether it takes all bytes up to the end of its frame")
	b.c = c
}

// Append is that of the codec that is bound.
func (b *Switchable[T]) Append(dst []byte, v T) ([]byte, error) { return b.c.Append(dst, v) }

// AppendHead is that of the codec that is bound.
func (b *Switchable[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	return appendHead(b.c, dst, v)
}

// Decode is that of the codec that is bound.
func (b *Switchable[T]) Decode(r *Reader) (T, error) { return b.c.Decode(r) }

// Size says what holds whatever the codec.
func (b *Switchable[T]) Size() Size {
	return Size{Max: Unbounded, Open: b.open, varies: !b.open}
}

func (b *Switchable[T]) opensFor(v T) bool { return opens(b.c, v) }
