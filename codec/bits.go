package codec

import "fmt"

// Bits is the fields of a T in the bits of one unsigned number, the first in its highest bits. They must fill it: name
// what is unused with [SpareBits]. A value that does not fit its bits is refused; Gloss lets it spill into the field
// before it. It is Gloss's bit-map.
//
//	type Flags struct {
//		Version uint8
//		Urgent  bool
//		Length  uint16
//	}
//
//	Bits(Uint16,
//		BitField("version", 3, func(f *Flags) *uint8 { return &f.Version }),
//		BitFlag("urgent", func(f *Flags) *bool { return &f.Urgent }),
//		BitField("length", 12, func(f *Flags) *uint16 { return &f.Length }))
//
//	Flags{5, true, 0x123}:   1011 0001 0010 0011
//	+----+----+
//	| b1 | 23 |
//	+----+----+
func Bits[N Integer, T any](number Codec[N], fields ...BitsOf[T]) Codec[T] {
	notNil(number, "Bits")
	if isSigned[N]() {
		panic("codec: Bits: the number must be unsigned")
	}
	n, ok := SizeOf(number).Fixed()
	if !ok || n > 8 {
		panic("codec: Bits: the number must have a fixed width of 8 to 64 bits")
	}
	total := 0
	for _, f := range fields {
		total += f.width
	}
	if total != 8*n {
		panic(fmt.Sprintf("codec: Bits: the fields have %d bits and the number has %d; fill up with SpareBits", total, 8*n))
	}
	return bitset[N, T]{number, fields}
}

// BitsOf is one field of [Bits].
type BitsOf[T any] struct {
	name  string
	width int
	get   func(*T) uint64
	set   func(*T, uint64)
}

// BitField is an unsigned number of some bits.
func BitField[T any, F ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](name string, bits int, access func(*T) *F) BitsOf[T] {
	most := 8 * memorySize[F]()
	if bits < 1 || bits > most {
		panic(fmt.Sprintf("codec: BitField: %q must have 1 to %d bits, got %d", name, most, bits))
	}
	return BitsOf[T]{name, bits,
		func(v *T) uint64 { return uint64(*access(v)) },
		func(v *T, u uint64) { *access(v) = F(u) }}
}

// BitFlag is one bit.
func BitFlag[T any](name string, access func(*T) *bool) BitsOf[T] {
	return BitsOf[T]{name, 1,
		func(v *T) uint64 {
			if *access(v) {
				return 1
			}
			return 0
		},
		func(v *T, u uint64) { *access(v) = u == 1 }}
}

// SpareBits is bits that mean nothing: zeros when sent, anything when received.
func SpareBits[T any](bits int) BitsOf[T] {
	if bits < 1 || bits > 64 {
		panic(fmt.Sprintf("codec: SpareBits: bits must be 1 to 64, got %d", bits))
	}
	return BitsOf[T]{"", bits, func(*T) uint64 { return 0 }, func(*T, uint64) {}}
}

type bitset[N Integer, T any] struct {
	number Codec[N]
	fields []BitsOf[T]
}

func (c bitset[N, T]) Append(dst []byte, v T) ([]byte, error) {
	var all uint64
	for i := range c.fields {
		f := &c.fields[i]
		u := f.get(&v)
		if f.width < 64 && u>>f.width != 0 {
			return dst, WrapField(f.name, because(ErrTooLarge, "%d does not fit %d bits", u, f.width))
		}
		all = all<<f.width | u
	}
	return c.number.Append(dst, N(all))
}

func (c bitset[N, T]) Decode(r *Reader) (v T, err error) {
	n, err := c.number.Decode(r)
	if err != nil {
		return v, err
	}
	all := uint64(n)
	for i := len(c.fields) - 1; i >= 0; i-- {
		f := &c.fields[i]
		f.set(&v, all&(1<<f.width-1))
		all >>= f.width
	}
	return v, nil
}

func (c bitset[N, T]) Size() Size { return SizeOf(c.number) }
