package codec

import "slices"

// Bits packs fields of a T into the bits of one unsigned number, the first field into its highest bits. The fields must
// fill the number; use [SpareBits] for unused bits. A value that does not fit its bits is rejected. For more than 64
// bits use [WideBits].
//
//	Bits(Uint16,
//		BitField("version", 3, func(f *Flags) *uint8 { return &f.Version }),
//		BitFlag("urgent", func(f *Flags) *bool { return &f.Urgent }),
//		BitField("length", 12, func(f *Flags) *uint16 { return &f.Length }))
//
//	Flags{5, true, 0x123}, the bits 1011 0001 0010 0011:
//	| b1 | 23 |
func Bits[N Integer, T any](number Codec[N], fields ...BitsOf[T]) Codec[T] {
	notNil(number, "Bits")
	refuse(isSigned[N](), "Bits: the number must be unsigned")
	n, ok := SizeOf(number).Fixed()
	refuse(!ok || n > 8, "Bits: the number must have a fixed width of 8 to 64 bits")
	total := bitsOf("Bits", fields)
	refuse(total != 8*n, "Bits: the fields have %d bits and the number has %d; fill up with SpareBits", total, 8*n)
	refuse(n > memorySize[N](), "Bits: the number is encoded in %d bytes and its type has %d", n, memorySize[N]())
	return Map(number,
		func(n N) (v T, err error) {
			all := uint64(n)
			for _, f := range slices.Backward(fields) {
				f.set(&v, all&(1<<f.width-1))
				all >>= f.width
			}
			return v, nil
		},
		func(v T) (N, error) {
			var all uint64
			for i := range fields {
				u, err := fields[i].of(&v)
				if err != nil {
					return 0, err
				}
				all = all<<fields[i].width | u
			}
			return N(all), nil
		})
}

// bitsOf returns how many bits the fields have.
func bitsOf[T any](where string, fields []BitsOf[T]) (total int) {
	for i, f := range fields {
		refuse(f.get == nil, "%s: field %d was not made by BitField, BitFlag or SpareBits", where, i)
		total += f.width
	}
	return total
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
	refuse(bits < 1 || bits > most, "BitField: %q must have 1 to %d bits, got %d", name, most, bits)
	refuse(access == nil, "BitField: the accessor of %q is nil", name)
	return BitsOf[T]{name, bits,
		func(v *T) uint64 { return uint64(*access(v)) },
		func(v *T, u uint64) { *access(v) = F(u) }}
}

// of returns the field of v, and rejects what does not fit.
func (f *BitsOf[T]) of(v *T) (uint64, error) {
	u := f.get(v)
	if f.width < 64 && u>>f.width != 0 {
		return 0, WrapField(f.name, because(ErrTooLarge, "%d does not fit %d bits", u, f.width))
	}
	return u, nil
}

// BitFlag is one bit.
func BitFlag[T any](name string, access func(*T) *bool) BitsOf[T] {
	refuse(access == nil, "BitFlag: the accessor of %q is nil", name)
	return BitsOf[T]{name, 1,
		func(v *T) uint64 {
			if *access(v) {
				return 1
			}
			return 0
		},
		func(v *T, u uint64) { *access(v) = u == 1 }}
}

// SpareBits is ignored bits: zeros when encoding, anything when decoding.
func SpareBits[T any](bits int) BitsOf[T] {
	refuse(bits < 1 || bits > 64, "SpareBits: bits must be 1 to 64, got %d", bits)
	return BitsOf[T]{"", bits, func(*T) uint64 { return 0 }, func(*T, uint64) {}}
}

// WideBits is [Bits] of any number of bytes, without a number around them: the first field is in the highest bits of the
// first byte. The fields must fill whole bytes.
//
//	WideBits of BitFields of 4 and 64 bits and 4 SpareBits, Header{Version: 5, ID: 1}:
//	| 50 | 00 | 00 | 00 | 00 | 00 | 00 | 00 | 10 |
func WideBits[T any](fields ...BitsOf[T]) Codec[T] {
	total := bitsOf("WideBits", fields)
	refuse(total == 0 || total%8 != 0, "WideBits: the fields have %d bits, which is not a whole number of bytes; fill up with SpareBits", total)
	return wideBits[T]{fields, total / 8}
}

type wideBits[T any] struct {
	fields []BitsOf[T]
	bytes  int
}

func (c wideBits[T]) Append(dst []byte, v T) ([]byte, error) {
	dst = append(dst, make([]byte, c.bytes)...)
	p, bit := dst[len(dst)-c.bytes:], 0
	for i := range c.fields {
		f := &c.fields[i]
		u, err := f.of(&v)
		if err != nil {
			return dst, err
		}
		for k := f.width - 1; k >= 0; k-- {
			p[bit/8] |= byte(u>>k&1) << (7 - bit%8)
			bit++
		}
	}
	return dst, nil
}

func (c wideBits[T]) Decode(r *Reader) (v T, err error) {
	p, err := r.Next(c.bytes)
	if err != nil {
		return v, err
	}
	bit := 0
	for i := range c.fields {
		f, u := &c.fields[i], uint64(0)
		for range f.width {
			u = u<<1 | uint64(p[bit/8]>>(7-bit%8)&1)
			bit++
		}
		f.set(&v, u)
	}
	return v, nil
}

func (c wideBits[T]) Size() Size { return Size{Min: c.bytes, Max: c.bytes} }
