package codec

// The common small frames lie whole in the buffer when it is their turn. They are decoded without a Reader, at a fraction
// of the cost; whatever is out of the ordinary, every error included, is left to Decode, which alone says what a codec
// does. A length is parsed by the same function in both. Values are handed on by pointers, because the copies of a struct
// cost more than the rest; nobody keeps one, and no function of the user is given one.

// quickDecoder is implemented by codecs that can decode what is at hand.
type quickDecoder[T any] interface {
	// decodeQuick puts the value at the start of p in v and tells how many bytes it took; of a codec whose values
	// extend to the end of the frame p is the frame. It returns false where Decode is to find out: v is then anything.
	decodeQuick(p []byte, own cloner, v *T) (n int, ok bool)
}

// callsUser reports whether decodeQuick of a codec, or nil, runs functions of the user: those that may have a method.
func callsUser(quick any) bool {
	c, ok := quick.(interface{ callsUser() bool })
	return quick == nil || ok && c.callsUser()
}

// quickIn returns the quick way of a codec that is within a frame, or nil.
func quickIn[T any](c Codec[T]) quickDecoder[T] {
	if p, ok := c.(*prefixed[T]); ok && p.quick == nil {
		return nil
	}
	q, ok := c.(quickDecoder[T])
	if ok {
		return q
	}
	if lines, ok := any(c).(LinesCodec); ok {
		q, _ = any(quickLines(lines)).(quickDecoder[T])
	}
	return q
}

// quickWhole is quickIn of a codec that is not within a frame: what is at hand is then no value of a codec that takes all
// bytes up to the end.
func quickWhole[T any](c Codec[T]) quickDecoder[T] {
	if SizeOf(c).Open {
		return nil
	}
	return quickIn(c)
}

// one decodes the frame at r.pos, and nothing but a whole value has an effect beyond the Reader: what is at hand at once,
// else through the Reader. It is what every entry point calls: Source, Recv, Resync, Decoder, Unmarshal and Values.
func one[T any](r *Reader, c Codec[T], quick quickDecoder[T], v *T) error {
	if quick != nil && r.held == nil {
		if n, ok := quick.decodeQuick(r.buf[r.pos:], r.cloner(), hidden(v)); ok {
			r.pos += n
			return nil
		}
	}
	var err error
	*v, err = c.Decode(r)
	if r.err != nil || err != nil {
		return r.failure(err)
	}
	return nil
}

// frame is one for a stream: it drops the bytes of the frame.
func frame[T any](r *Reader, c Codec[T], quick quickDecoder[T], v *T) error {
	err := several(r, c, quick, v)
	if err == nil {
		r.end()
	}
	return err
}

// several is one where others may follow, so that a value of no bytes could repeat for ever.
func several[T any](r *Reader, c Codec[T], quick quickDecoder[T], v *T) error {
	before := r.pos + r.skew
	err := one(r, c, quick, v)
	if err == nil && r.pos+r.skew == before {
		err = r.Fail(r.Offset(), ErrNoProgress)
	}
	return err
}

// failure says why there is no value. What the stream met outweighs what the decoder made of it.
func (r *Reader) failure(err error) error {
	wrong, ok := r.err.(*Error)
	switch {
	case r.err == nil:
		return r.locate(err)
	case !ok: // the stream failed, or ctx ended
		return r.err
	}
	if e := asError(err); e != nil && isUnexpectedEOF(e) {
		return e // with its path
	}
	return wrong // a frame was cut short
}

// cloner is the part of a chanio.ByteSource that copies.
type cloner interface {
	Clone(p []byte) []byte
}

func (r *Reader) cloner() cloner {
	if r.src != nil {
		return r.src
	}
	return &r.arena
}

func (c integer[T]) decodeQuick(p []byte, _ cloner, v *T) (n int, ok bool) {
	if n = c.op.width(); len(p) < n {
		return 0, false
	}
	*v = T(c.op.load(p))
	return n, true
}

func (bytesCodec) decodeQuick(p []byte, own cloner, v *[]byte) (int, bool) {
	*v = clone(own, p)
	return len(p), true
}

func (borrowedCodec) decodeQuick(p []byte, _ cloner, v *[]byte) (int, bool) {
	*v = p[:len(p):len(p)]
	return len(p), true
}

func (m mapped[A, B]) decodeQuick(p []byte, own cloner, v *B) (n int, ok bool) {
	if m.quick == nil {
		return 0, false
	}
	var a A
	if n, ok = m.quick.decodeQuick(p, own, hidden(&a)); !ok {
		return 0, false
	}
	b, err := m.decode(a)
	*v = b
	return n, err == nil
}

func (mapped[A, B]) callsUser() bool { return true }
