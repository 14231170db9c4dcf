package codec

// A codec is open-ended if its values extend to the end of the enclosing frame. For some codecs this is known when they
// are built; for others, such as Header, it depends on the value. An open-ended value where other values follow is
// rejected: when the codec is built or, if that is too early to know, when the value is encoded or decoded.

// opener is implemented by codecs that are open-ended for some values.
type opener[T any] interface{ opensFor(v T) bool }

// opens reports whether v is an open-ended value of c. c may be nil.
func opens[T any](c Codec[T], v T) bool {
	if o, ok := full(c).(opener[T]); ok {
		return o.opensFor(v)
	}
	return SizeOf(c).Open
}

var errOpenInside = because(ErrMalformed, "open-ended value where others follow; put Prefixed, Delimited or Exactly around its codec")

// ended returns c for a place where other values follow. It panics if c is open-ended, and the codec that it returns
// rejects open-ended values.
func ended[T any](where string, c Codec[T]) Codec[T] {
	s := SizeOf(c)
	closed(where, s)
	if !s.varies {
		return c
	}
	return endedCodec[T]{c}
}

type endedCodec[T any] struct{ c Codec[T] }

func (e endedCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if opens(e.c, v) {
		return dst, errOpenInside
	}
	return e.c.Append(dst, v)
}

func (e endedCodec[T]) Decode(r *Reader) (T, error) {
	outer := r.closedAt
	r.closedAt = r.frames + 1
	v, err := e.c.Decode(r)
	r.closedAt = outer
	return v, err
}

func (e endedCodec[T]) Size() Size {
	s := SizeOf(e.c)
	s.varies = false
	return s
}

// before decodes c so that even an open-ended value leaves the last n bytes of the enclosing frame or stream.
func before[T any](r *Reader, n int, c Codec[T]) (T, error) {
	reserved, at := r.reserved, r.reservedAt
	if at == r.frames {
		n += reserved
	}
	r.reserved, r.reservedAt = n, r.frames
	v, err := c.Decode(r)
	r.reserved, r.reservedAt = reserved, at
	return v, err
}

// kept returns the number of bytes at the end of the enclosing frame that an open-ended value must leave.
func (r *Reader) kept() int {
	if r.reservedAt == r.frames {
		return r.reserved
	}
	return 0
}

// moreRest is More for an open-ended value.
func (r *Reader) moreRest() (bool, error) {
	if r.closedAt == r.frames+1 {
		return false, r.Fail(r.Offset(), errOpenInside)
	}
	return r.More()
}

// rest returns the number of bytes up to the end of the frame, of a slice, or of a stream of at most DefaultMax.
func rest(r *Reader) (int, error) {
	if r.closedAt == r.frames+1 {
		return 0, r.Fail(r.Offset(), errOpenInside)
	}
	n, ok := r.Remaining()
	for over := ok; !over; {
		n = len(r.Buffered()) - r.kept()
		if n > DefaultMax && r.src != nil {
			return 0, r.Fail(r.Offset(), tooLarge("stream length", uint64(n), DefaultMax))
		}
		var err error
		if over, err = r.runsOut(n + r.kept() + 1); err != nil {
			return 0, err
		}
	}
	if n = max(n, 0); r.bound > 0 && r.limit == r.bound && n+r.kept() >= r.left() {
		return 0, r.tooShort(n + 1) // what is left exceeds the Limit around it
	}
	return n, nil
}

// lendRest lends all bytes up to the end of the frame or stream.
func (r *Reader) lendRest() ([]byte, error) {
	n, err := rest(r)
	if err != nil {
		return nil, err
	}
	return r.Next(n)
}
