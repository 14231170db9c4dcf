package codec

import "math"

// The common small frames lie whole in the buffer when it is their turn. They are decoded and encoded without a Reader,
// at a fraction of the cost; whatever is out of the ordinary, every error included, is left to Decode and Append, which
// alone say what a codec does.

// quickDecoder is implemented by codecs that can decode what is at hand.
type quickDecoder[T any] interface {
	// decodeQuick decodes the value at the start of p and tells how many bytes it took; of a codec whose values
	// extend to the end of the frame p is the frame. It returns false where Decode is to find out.
	decodeQuick(p []byte, own cloner) (v T, n int, ok bool)
}

// quickAppender is implemented by codecs that call none of the user's functions to encode.
type quickAppender[T any] interface {
	// appendQuick is Append, or returns false where Append, or AppendHead, is to be used.
	appendQuick(dst []byte, v T) (_ []byte, ok bool)
}

// cloner is the part of a chanio.ByteSource that copies.
type cloner interface {
	Clone(p []byte) []byte
}

// quickMax is the largest body that is copied without asking whether it need be.
const quickMax = 4 << 10

func (c integer[T]) decodeQuick(p []byte, _ cloner) (v T, n int, ok bool) {
	if n = c.op.width(); len(p) < n {
		return 0, 0, false
	}
	return T(c.op.load(p)), n, true
}

func (c integer[T]) appendQuick(dst []byte, v T) ([]byte, bool) {
	if c.op.width() == 3 {
		return dst, false
	}
	return c.op.store(dst, uint64(v)), true
}

func (bytesCodec) decodeQuick(p []byte, own cloner) ([]byte, int, bool) {
	return own.Clone(p), len(p), true
}

func (bytesCodec) appendQuick(dst, v []byte) ([]byte, bool) {
	if len(v) > quickMax {
		return dst, false
	}
	return append(dst, v...), true
}

func (borrowedCodec) decodeQuick(p []byte, _ cloner) ([]byte, int, bool) {
	return p[:len(p):len(p)], len(p), true
}

func (rawCodec) decodeQuick(p []byte, own cloner) (string, int, bool) {
	return ownedString(own.Clone(p)), len(p), true
}

func (rawCodec) appendQuick(dst []byte, v string) ([]byte, bool) { return append(dst, v...), true }

func (m mapped[A, B]) decodeQuick(p []byte, own cloner) (v B, n int, ok bool) {
	if m.quick == nil {
		return v, 0, false
	}
	a, n, ok := m.quick.decodeQuick(p, own)
	if !ok {
		return v, 0, false
	}
	v, err := m.decode(a)
	return v, n, err == nil
}

// quickPrefixed is the quick way of a Prefixed whose length has a fixed width.
type quickPrefixed[T any] struct {
	op      op
	adjust  int
	max     int
	decoder quickDecoder[T] // of the body; nil if it has none
	encoder quickAppender[T]
}

func (q *quickPrefixed[T]) decodeQuick(p []byte, own cloner) (v T, n int, ok bool) {
	w := q.op.width()
	if len(p) < w {
		return v, 0, false
	}
	length := int64(q.op.load(p)) - int64(q.adjust)
	if length < 0 || length > int64(min(q.max, len(p)-w)) {
		return v, 0, false
	}
	n = w + int(length)
	v, used, ok := q.decoder.decodeQuick(p[w:n:n], own)
	return v, n, ok && used == int(length)
}

func (q *quickPrefixed[T]) appendQuick(dst []byte, v T) ([]byte, bool) {
	start := len(dst)
	w := q.op.width()
	out, ok := q.encoder.appendQuick(append(dst, zeros[:w]...), v)
	n := len(out) - start - w
	if !ok || n > q.max {
		return dst, false
	}
	q.op.store(out[:start], uint64(n+q.adjust)) // in place of the zeros
	return out, true
}

// quickOf returns the quick ways of a Prefixed, as far as there are any. max is at most what the length can express.
func quickOf[N Integer, T any](length Codec[N], body Codec[T], adjust, max int) (q quickPrefixed[T]) {
	l, ok := length.(integer[N])
	if !ok || max > math.MaxInt-adjust {
		return q
	}
	q = quickPrefixed[T]{op: l.op, adjust: adjust, max: max}
	q.decoder, _ = body.(quickDecoder[T])
	q.encoder, _ = body.(quickAppender[T])
	return q
}
