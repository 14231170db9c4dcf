package codec

import "encoding/binary"

// Prefixed is body after its length in bytes. It takes the options [Max], 16 MiB by default, and [Adjust].
//
//	Prefixed(Uint32, String), "hello":
//	| 00 | 00 | 00 | 05 | 68 | 65 | 6c | 6c | 6f |
//
//	Prefixed(Uint16, String, Adjust(2)), "abc": the length counts itself
//	| 00 | 05 | 61 | 62 | 63 |
//
// Max and the range of the length apply in both directions. A received length allocates nothing before the bytes
// arrive. The body must use exactly its bytes. An empty body is an empty value, not a missing one.
func Prefixed[N Integer, T any](length Codec[N], body Codec[T], opts ...LengthOption) Codec[T] {
	return newPrefixed("Prefixed", lengthOf("Prefixed", length, DefaultMax, opts), body)
}

func newPrefixed[T any](where string, length *Length, body Codec[T]) *prefixed[T] {
	notNil(body, where+": body")
	least := SizeOf(body).Min
	refuse(least > length.max, "%s: the body takes at least %d bytes and the limit is %d; raise Max or widen the length", where, least, length.max)
	p := &prefixed[T]{length: length, body: splitOf(body), quick: quickIn(body)}
	switch any(body).(type) {
	case bytesCodec:
		p.bytes = ownedBytes
	case borrowedCodec:
		p.bytes = lentBytes
	}
	_, text := any(body).(textCodec)
	p.run = text || p.bytes != noBytes
	return p
}

type prefixed[T any] struct {
	length *Length
	body   split[T]
	quick  quickDecoder[T] // body, if it is one
	bytes  bytesKind       // of body
	run    bool            // body is all bytes of its frame: Bytes, Borrowed, or a text
}

// bytesKind tells bodies that are all bytes of a frame from others. They are the most common ones, and handled without
// the calls of their codecs.
type bytesKind uint8

const (
	noBytes bytesKind = iota
	ownedBytes
	lentBytes
)

func (p *prefixed[T]) Append(dst []byte, v T) ([]byte, error) { return joined(p.AppendHead(dst, v)) }

func (p *prefixed[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	if p.bytes != noBytes && p.length.op == op32 {
		b := *renamed[[]byte](&v)
		if p.length.fits(len(b)) {
			return binary.BigEndian.AppendUint32(dst, uint32(p.length.shifted(len(b)))), b, nil
		}
	}
	start := len(dst)
	head, body, err = p.body.appendHead(p.length.reserve(dst), v)
	if err == nil {
		head, err = p.length.put(head, start, len(body))
	}
	if err != nil {
		return dst, nil, err
	}
	return head, body, nil
}

func (p *prefixed[T]) Decode(r *Reader) (v T, err error) {
	n, err := p.length.Decode(r)
	if err != nil {
		return v, err
	}
	return within(r, n, p.body.Codec)
}

// within decodes c in a frame of the next n bytes.
func within[T any](r *Reader, n int, c Codec[T]) (v T, err error) {
	outer, err := r.Limit(n)
	if err != nil {
		return v, err
	}
	if v, err = c.Decode(r); err != nil {
		return v, err
	}
	return v, r.Unlimit(outer)
}

func (p *prefixed[T]) decodeQuick(b []byte, own cloner, v *T) (n int, ok bool) {
	length, ok := p.length.peek(b)
	if !ok || length > len(b)-p.length.width {
		return 0, false
	}
	n = p.length.width + length
	if p.bytes != noBytes {
		frame := b[p.length.width:n:n]
		if p.bytes == ownedBytes {
			frame = clone(own, frame)
		}
		*renamed[[]byte](v) = frame
		return n, true
	}
	used, ok := p.quick.decodeQuick(b[p.length.width:n:n], own, v)
	return n, ok && used == length
}

// decodeWhole decodes a frame that lies whole at the start of b, the bytes at hand, and whose body has no quick way. If it
// returns false, Decode must be used: it decodes the frame again and has the error.
func (p *prefixed[T]) decodeWhole(r *Reader, b []byte, v *T) (n int, ok bool) {
	length, ok := p.length.peek(b)
	if !ok || length > len(b)-p.length.width {
		return 0, false
	}
	n = p.length.width + length
	r.frame(b, p.length.width, n)
	var err error
	*v, err = p.body.Decode(r)
	r.buf, r.have = nil, 0 // the memory is the source's
	return n, err == nil && r.err == nil && r.pos == n
}

// announcer is implemented by codecs whose values may be a single run of bytes after its length.
type announcer interface {
	// announced returns the size of the value at the start of p, or 0 if p does not tell or it is of another kind.
	announced(p []byte) int
}

func (p *prefixed[T]) announced(b []byte) int {
	if n, ok := p.length.peek(b); ok && p.run {
		return p.length.width + n
	}
	return 0
}

func (p *prefixed[T]) isQuick() bool { return p.quick != nil }

func (p *prefixed[T]) Size() Size {
	body := SizeOf(p.body.Codec)
	return Size{Min: addBound(p.length.size.Min, body.Min), Max: addBound(p.length.size.Max, min(body.Max, p.length.max)), borrows: body.borrows}
}

// Nullable is body after its length in bytes, or nil for a length of -1, as in PostgreSQL's values and Kafka's nullable
// strings and bytes. It takes the options of [Prefixed]. With Adjust(1) the number 0 stands for nil, as in Kafka's
// compact forms, and the number may be unsigned.
//
//	Nullable(Int16, String), &"a":      nil:            Nullable(Uvarint, String, Adjust(1)), &"a":    nil:
//	| 00 | 01 | 61 |                    | ff | ff |     | 02 | 61 |                                    | 00 |
func Nullable[N Integer, T any](length Codec[N], body Codec[T], opts ...LengthOption) Codec[*T] {
	p := newPrefixed("Nullable", lengthOf("Nullable", length, DefaultMax, opts), body)
	refuse(p.length.adjust <= 0 && !isSigned[N](), "Nullable: an unsigned length cannot be -1; use a signed one, or Adjust(1)")
	none, err := p.length.appendNone(nil)
	refuse(err != nil, "Nullable: the length cannot be -1: %v; use another, or Adjust(1)", err)
	_, isNone, _ := p.length.decodeSlow(NewReader(none), true)
	refuse(!isNone, "Nullable: the length cannot be -1 with Adjust(%d); use a wider one", p.length.adjust)
	return nullable[T]{p}
}

type nullable[T any] struct{ p *prefixed[T] }

func (c nullable[T]) Append(dst []byte, v *T) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c nullable[T]) AppendHead(dst []byte, v *T) (head, body []byte, err error) {
	if v == nil {
		head, err = c.p.length.appendNone(dst)
		return head, nil, err
	}
	return c.p.AppendHead(dst, *v)
}

func (c nullable[T]) Decode(r *Reader) (*T, error) {
	n, none, err := c.p.length.decodeSlow(r, true)
	if err != nil || none {
		return nil, err
	}
	v, err := within(r, n, c.p.body.Codec)
	return &v, err
}

func (c nullable[T]) Size() Size {
	s := c.p.Size()
	s.Min = c.p.length.size.Min
	return s
}
