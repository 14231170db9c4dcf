package codec

import (
	"encoding/binary"
	"math"
)

// The common small frames lie whole in the buffer when it is their turn. They are decoded and encoded without a Reader,
// at a fraction of the cost; whatever is out of the ordinary, every error included, is left to Decode and Append, which
// alone say what a codec does. Values are handed on by pointers, because the copies of a struct cost more than the rest;
// nobody keeps one, and who passes one hides it from escape analysis.

// quickDecoder is implemented by codecs that can decode what is at hand.
type quickDecoder[T any] interface {
	// decodeQuick puts the value at the start of p in v and tells how many bytes it took; of a codec whose values
	// extend to the end of the frame p is the frame. It returns false where Decode is to find out: v is then anything.
	decodeQuick(p []byte, own cloner, v *T) (n int, ok bool)
}

// quickIn returns the quick way of a codec that is within a frame, or nil.
func quickIn[T any](c Codec[T]) quickDecoder[T] {
	if p, ok := c.(interface{ direct() *quickPrefixed[T] }); ok {
		if q := p.direct(); q.decoder != nil {
			return q
		}
		return nil
	}
	q, _ := c.(quickDecoder[T])
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

// quickToAppend returns the quick way to encode, if there is one.
func quickToAppend[T any](c Codec[T]) quickAppender[T] {
	if p, ok := c.(interface{ direct() *quickPrefixed[T] }); ok {
		if q := p.direct(); q.encoder != nil {
			return q
		}
		return nil
	}
	q, _ := c.(quickAppender[T])
	return q
}

// quickAppender is implemented by codecs that call none of the user's functions to encode.
type quickAppender[T any] interface {
	// appendQuick is Append, or returns false where Append, or AppendHead, is to be used.
	appendQuick(dst []byte, v *T) (_ []byte, ok bool)
}

// cloner is the part of a chanio.ByteSource that copies.
type cloner interface {
	Clone(p []byte) []byte
}

// quickMax is the largest body that is copied without asking whether it need be.
const quickMax = 4 << 10

func (c integer[T]) decodeQuick(p []byte, _ cloner, v *T) (n int, ok bool) {
	if n = c.op.width(); len(p) < n {
		return 0, false
	}
	*v = T(c.op.load(p))
	return n, true
}

func (c integer[T]) appendQuick(dst []byte, v *T) ([]byte, bool) {
	if c.op.width() == 3 {
		return dst, false
	}
	return c.op.store(dst, uint64(*v)), true
}

func (bytesCodec) decodeQuick(p []byte, own cloner, v *[]byte) (int, bool) {
	*v = own.Clone(p)
	return len(p), true
}

func (bytesCodec) appendQuick(dst []byte, v *[]byte) ([]byte, bool) {
	if len(*v) > quickMax {
		return dst, false
	}
	return append(dst, *v...), true
}

func (borrowedCodec) decodeQuick(p []byte, _ cloner, v *[]byte) (int, bool) {
	*v = p[:len(p):len(p)]
	return len(p), true
}

func (rawCodec) decodeQuick(p []byte, own cloner, v *string) (int, bool) {
	*v = ownedString(own.Clone(p))
	return len(p), true
}

func (rawCodec) appendQuick(dst []byte, v *string) ([]byte, bool) { return append(dst, *v...), true }

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

// head is a length in bytes before a body.
type head struct {
	op     op  // 0: it is not a plain number
	width  int // 0: it has no fixed one
	adjust int
	max    int // of the body; no more than the length can express
}

func headOf[N Integer](length Codec[N], adjust, max int) head {
	h := head{adjust: adjust, max: max}
	if n, ok := SizeOf(length).Fixed(); ok {
		h.width = n
	}
	if l, ok := length.(integer[N]); ok && max <= math.MaxInt-adjust {
		h.op = l.op
	}
	return h
}

// length returns the length of a body that the start of p tells, or -1: it is not there, not a plain number, or not
// allowed.
func (h *head) length(p []byte) int {
	if len(p) < h.width || h.op == 0 {
		return -1
	}
	n := int64(0)
	if h.op == op32 {
		n = int64(binary.BigEndian.Uint32(p))
	} else {
		n = int64(h.op.load(p))
	}
	if n -= int64(h.adjust); n < 0 || n > int64(h.max) {
		return -1
	}
	return int(n)
}

// reserve appends the place of a length.
func (h *head) reserve(dst []byte) []byte {
	if h.op == op32 {
		return append(dst, 0, 0, 0, 0)
	}
	return append(dst, zeros[:h.width]...)
}

// put writes, in its place at the start of p, the length of what lies behind it and of more bytes to come. It reports
// false if that is not allowed, or not a plain number.
func (h *head) put(p []byte, more int) bool {
	n := len(p) - h.width + more
	if n > h.max || h.op == 0 {
		return false
	}
	if n += h.adjust; h.op == op32 {
		binary.BigEndian.PutUint32(p, uint32(n))
	} else {
		h.op.store(p[:0], uint64(n))
	}
	return true
}

// quickPrefixed is the quick way of a Prefixed, as far as there is one.
type quickPrefixed[T any] struct {
	head    head
	decoder quickDecoder[T] // of the body
	encoder quickAppender[T]
}

func quickOf[T any](h head, body Codec[T]) (q quickPrefixed[T]) {
	q.head = h
	if h.op == 0 {
		return q
	}
	q.decoder = quickIn(body)
	q.encoder = quickToAppend(body)
	return q
}

// direct returns q without what embeds it, at a call less.
func (q *quickPrefixed[T]) direct() *quickPrefixed[T] { return q }

func (q *quickPrefixed[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	length := q.head.length(p)
	n = q.head.width + length
	if length < 0 || n > len(p) || q.decoder == nil {
		return 0, false
	}
	used, ok := q.decoder.decodeQuick(p[q.head.width:n:n], own, v)
	return n, ok && used == length
}

func (q *quickPrefixed[T]) appendQuick(dst []byte, v *T) ([]byte, bool) {
	if q.encoder == nil {
		return dst, false
	}
	start := len(dst)
	out, ok := q.encoder.appendQuick(q.head.reserve(dst), v)
	if !ok || !q.head.put(out[start:], 0) {
		return dst, false
	}
	return out, true
}
