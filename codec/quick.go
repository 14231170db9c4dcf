package codec

// Most frames are small and wholly in the buffer. They are decoded without a Reader, at a fraction of the cost.
// Everything unusual, including every error, is left to Decode, which alone defines what a codec accepts; lengths are
// parsed by the same function in both. Values are passed by pointer, because copying a struct costs more than the rest.
// No codec keeps such a pointer, and no function of the user gets one.

// quickDecoder is implemented by codecs that can decode a whole value from a slice.
type quickDecoder[T any] interface {
	quick

	// decodeQuick decodes the value at the start of p into v and returns the number of its bytes. For an open-ended
	// codec p is the frame. If it returns false, Decode must be used, and v has any value.
	decodeQuick(p []byte, own cloner, v *T) (n int, ok bool)
}

// quick is implemented by quickDecoders and by no other type. Every Unmarshal asks whether its codec is one, and the
// runtime caches type assertions only to an interface without type parameters.
type quick interface {
	// callsUser reports whether encoding or decoding may run functions of the user.
	callsUser() bool
}

// wrapper is implemented by quickDecoders that need the quickDecoder of another codec.
type wrapper interface {
	// isQuick reports whether there is one. Otherwise decodeQuick must not be called.
	isQuick() bool
}

// callsUser reports whether the codec of q, or any codec if q is nil, may run functions of the user.
func callsUser[T any](q quickDecoder[T]) bool { return q == nil || q.callsUser() }

// quickIn returns c as a quickDecoder, or nil, for use within a frame.
func quickIn[T any](c Codec[T]) (q quickDecoder[T]) {
	if w, ok := c.(wrapper); ok && !w.isQuick() {
		return nil
	}
	if _, ok := c.(quick); ok {
		q, _ = c.(quickDecoder[T])
	} else if lines, ok := any(c).(LinesCodec); ok {
		q, _ = any(quickLines(lines)).(quickDecoder[T])
	}
	return q
}

// quickWhole is quickIn for use outside of any frame, where the bytes at hand may not be the whole value of an
// open-ended codec.
func quickWhole[T any](c Codec[T]) quickDecoder[T] {
	q := quickIn(c)
	if q == nil || SizeOf(c).Open {
		return nil
	}
	return q
}

// one decodes the frame at r.pos, from the bytes at hand if possible and otherwise through the Reader. If it fails, it
// has no effect beyond r. All entry points call it: Source, Recv, Resync, Decoder, Unmarshal and Values.
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

// frame is several for a stream: it also discards the bytes of the frame.
func frame[T any](r *Reader, c Codec[T], quick quickDecoder[T], v *T) error {
	err := several(r, c, quick, v)
	if err == nil {
		r.end()
	}
	return err
}

// several is one where other values may follow. A value of no bytes is an error, since it could repeat forever.
func several[T any](r *Reader, c Codec[T], quick quickDecoder[T], v *T) error {
	before := r.pos + r.skew
	err := one(r, c, quick, v)
	if err == nil && r.pos+r.skew == before {
		err = r.Fail(r.Offset(), ErrNoProgress)
	}
	return err
}

// failure returns the error of a value that could not be decoded. An error of the stream takes precedence over err,
// which the decoder returned.
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
	var a A
	if n, ok = m.quick.decodeQuick(p, own, hidden(&a)); !ok {
		return 0, false
	}
	b, err := m.decode(a)
	*v = b
	return n, err == nil
}

func (integer[T]) callsUser() bool      { return false }
func (bytesCodec) callsUser() bool      { return false }
func (textCodec) callsUser() bool       { return false }
func (quickLines) callsUser() bool      { return false }
func (mapped[A, B]) callsUser() bool    { return true }
func (c as[B, A]) callsUser() bool      { return callsUser(c.quick) }
func (c record[T]) callsUser() bool     { return c.program.user }
func (p *prefixed[T]) callsUser() bool  { return p.length.callsUser() || callsUser(p.quick) }
func (c *delimited[T]) callsUser() bool { return c.choose != nil || callsUser(c.quick) }

func (m mapped[A, B]) isQuick() bool { return m.quick != nil }
