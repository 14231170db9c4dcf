package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Bool is one byte, 0 or 1; any other is rejected.
//
//	true:
//	| 01 |
var Bool Codec[bool] = boolCodec{}

type boolCodec struct{}

func (boolCodec) Append(dst []byte, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolCodec) Decode(r *Reader) (bool, error) { return r.Bool() }
func (boolCodec) Size() Size                     { return Size{Min: 1, Max: 1} }
func (boolCodec) operation() op                  { return opBool }

// Integers of variable length.
//
//	Uvarint, 300:      Varint, -2:   QUICVarint, 15293:   MQTTVarint, 128:
//	| ac | 02 |        | 03 |        | 7b | bd |          | 80 | 01 |
var (
	// Uvarint is unsigned LEB128, seven bits to a byte, the low ones first: Protocol Buffers' varint. It takes up to
	// ten bytes.
	Uvarint Codec[uint64] = varint[uint64]{max: math.MaxUint64}

	// Varint is the zig-zag form: 0, -1, 1, -2 are the Uvarints 0, 1, 2, 3. It is Protocol Buffers' sint64.
	Varint Codec[int64] = zigzag{}

	// QUICVarint is the variable-length integer of QUIC (RFC 9000, section 16): 1, 2, 4 or 8 bytes whose first two bits
	// say which, for numbers below 2^62.
	QUICVarint Codec[uint64] = quicVarint{}

	// MQTTVarint is the variable byte integer of MQTT 5.0 (section 1.5.5): a Uvarint of at most four bytes, for numbers
	// below 2^28. As that section demands, the shortest form is the only one.
	MQTTVarint Codec[uint32] = varint[uint32]{max: 1<<28 - 1, shortest: true}
)

type varint[T uint32 | uint64] struct {
	max      uint64
	shortest bool
}

func (c varint[T]) Append(dst []byte, v T) ([]byte, error) {
	if uint64(v) > c.max {
		return dst, because(ErrTooLarge, "%d exceeds %d, the largest varint", v, c.max)
	}
	return binary.AppendUvarint(dst, uint64(v)), nil
}

func (c varint[T]) Decode(r *Reader) (T, error) {
	if p := r.buf[r.pos:]; len(p) > 0 && p[0] < 0x80 {
		r.pos++
		return T(p[0]), nil
	}
	start := r.Offset()
	for n := 1; ; n++ {
		p, err := r.Peek(n)
		if err != nil {
			return 0, err
		}
		if p[n-1] < 0x80 {
			return c.take(r, p, start)
		}
		if n >= c.bytes() {
			return 0, r.Fail(start, because(ErrMalformed, "varint is longer than %d bytes", n))
		}
	}
}

// take returns the number at the start of p.
func (c varint[T]) take(r *Reader, p []byte, start int64) (T, error) {
	v, n := binary.Uvarint(p)
	if n <= 0 || v > c.max {
		return 0, r.Fail(start, because(ErrTooLarge, "varint exceeds %d", c.max))
	}
	if c.shortest && n > 1 && p[n-1] == 0 {
		return 0, r.Fail(start, because(ErrMalformed, "varint is not in its shortest form"))
	}
	r.pos += n
	return T(v), nil
}

func (c varint[T]) bytes() int      { return (bits.Len64(c.max) + 6) / 7 }
func (c varint[T]) Size() Size      { return Size{Min: 1, Max: c.bytes()} }
func (c varint[T]) largest() uint64 { return c.max }

type zigzag struct{}

func (zigzag) Append(dst []byte, v int64) ([]byte, error) { return binary.AppendVarint(dst, v), nil }

func (zigzag) Decode(r *Reader) (int64, error) {
	u, err := varint[uint64]{max: math.MaxUint64}.Decode(r)
	return int64(u>>1) ^ -int64(u&1), err
}

func (zigzag) Size() Size { return Size{Min: 1, Max: binary.MaxVarintLen64} }

type quicVarint struct{}

func (c quicVarint) Append(dst []byte, v uint64) ([]byte, error) {
	switch {
	case v < 1<<6:
		return append(dst, byte(v)), nil
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(dst, uint16(v)|1<<14), nil
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|2<<30), nil
	case v < 1<<62:
		return binary.BigEndian.AppendUint64(dst, v|3<<62), nil
	}
	return dst, because(ErrTooLarge, "%d does not fit 62 bits", v)
}

func (quicVarint) Decode(r *Reader) (uint64, error) {
	first, err := r.Peek(1)
	if err != nil {
		return 0, err
	}
	n := 1 << (first[0] >> 6)
	p, err := r.Next(n)
	if err != nil {
		return 0, err
	}
	v := uint64(p[0] & 0x3f)
	for _, b := range p[1:] {
		v = v<<8 | uint64(b)
	}
	return v, nil
}

func (quicVarint) Size() Size      { return Size{Min: 1, Max: 8} }
func (quicVarint) largest() uint64 { return 1<<62 - 1 }
