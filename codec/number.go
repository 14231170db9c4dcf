package codec

import "encoding/binary"

// Integers of a fixed width, big-endian unless the name ends in LE. Those of 24 bits reject values that do not fit.
//
//	Uint32, 66051:          Uint32LE, 66051:        Int24, -2:
//	| 00 | 01 | 02 | 03 |   | 03 | 02 | 01 | 00 |   | ff | ff | fe |
var (
	Uint8    Codec[uint8]  = integer[uint8]{op8}
	Uint16   Codec[uint16] = integer[uint16]{op16}
	Uint16LE Codec[uint16] = integer[uint16]{op16LE}
	Uint24   Codec[uint32] = integer[uint32]{op24}
	Uint24LE Codec[uint32] = integer[uint32]{op24LE}
	Uint32   Codec[uint32] = integer[uint32]{op32}
	Uint32LE Codec[uint32] = integer[uint32]{op32LE}
	Uint64   Codec[uint64] = integer[uint64]{op64}
	Uint64LE Codec[uint64] = integer[uint64]{op64LE}

	Int8    Codec[int8]  = integer[int8]{op8}
	Int16   Codec[int16] = integer[int16]{op16}
	Int16LE Codec[int16] = integer[int16]{op16LE}
	Int24   Codec[int32] = integer[int32]{opInt24}
	Int24LE Codec[int32] = integer[int32]{opInt24LE}
	Int32   Codec[int32] = integer[int32]{op32}
	Int32LE Codec[int32] = integer[int32]{op32LE}
	Int64   Codec[int64] = integer[int64]{op64}
	Int64LE Codec[int64] = integer[int64]{op64LE}
)

// Floating-point numbers of IEEE 754, big-endian unless the name ends in LE. NaNs keep their bits.
//
//	Float32, -2.5:
//	| c0 | 20 | 00 | 00 |
var (
	Float32   Codec[float32] = float[float32, uint32](op32)
	Float32LE Codec[float32] = float[float32, uint32](op32LE)
	Float64   Codec[float64] = float[float64, uint64](op64)
	Float64LE Codec[float64] = float[float64, uint64](op64LE)
)

// Integer is any type of integers.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// op is how a number of fixed width is encoded. Each little-endian form follows its big-endian form.
type op uint8

const (
	op8 op = iota + 1
	op16
	op16LE
	op24
	op24LE
	opInt24
	opInt24LE
	op32
	op32LE
	op64
	op64LE
	opBool
)

var opWidth = [...]uint8{
	op8: 1, op16: 2, op16LE: 2, op24: 3, op24LE: 3, opInt24: 3, opInt24LE: 3, op32: 4, op32LE: 4, op64: 8, op64LE: 8,
	opBool: 1,
}

// width returns the number of bytes.
func (o op) width() int { return int(opWidth[o]) }

// Switches with few cases, common ones first, compile to comparisons, which take less time here than a jump table.

// load returns the number in p, with its sign extended.
func (o op) load(p []byte) uint64 {
	switch o {
	case op8, opBool:
		return uint64(p[0])
	case op16:
		return uint64(binary.BigEndian.Uint16(p))
	case op32:
		return uint64(binary.BigEndian.Uint32(p))
	case op64:
		return binary.BigEndian.Uint64(p)
	}
	switch o {
	case op16LE:
		return uint64(binary.LittleEndian.Uint16(p))
	case op32LE:
		return uint64(binary.LittleEndian.Uint32(p))
	case op64LE:
		return binary.LittleEndian.Uint64(p)
	case op24:
		return uint64(p[0])<<16 | uint64(p[1])<<8 | uint64(p[2])
	case op24LE:
		return uint64(p[2])<<16 | uint64(p[1])<<8 | uint64(p[0])
	case opInt24:
		return uint64(int64(op24.load(p)<<40) >> 40)
	}
	return uint64(int64(op24LE.load(p)<<40) >> 40)
}

// store appends the number.
func (o op) store(dst []byte, u uint64) []byte {
	switch o {
	case op8, opBool:
		return append(dst, byte(u))
	case op16:
		return binary.BigEndian.AppendUint16(dst, uint16(u))
	case op32:
		return binary.BigEndian.AppendUint32(dst, uint32(u))
	case op64:
		return binary.BigEndian.AppendUint64(dst, u)
	}
	switch o {
	case op16LE:
		return binary.LittleEndian.AppendUint16(dst, uint16(u))
	case op32LE:
		return binary.LittleEndian.AppendUint32(dst, uint32(u))
	case op64LE:
		return binary.LittleEndian.AppendUint64(dst, u)
	case op24LE, opInt24LE:
		return append(dst, byte(u), byte(u>>8), byte(u>>16))
	}
	return append(dst, byte(u>>16), byte(u>>8), byte(u))
}

// check24 rejects numbers that do not fit 24 bits.
func (o op) check24(u uint64) error {
	var p [3]byte
	if o.store(p[:0], u); o.load(p[:]) != u {
		return because(ErrTooLarge, "%d does not fit 24 bits", int64(u))
	}
	return nil
}

// primitive is implemented by codecs that are a single op.
type primitive interface{ operation() op }

// integer is the codec of an integer of a fixed width.
type integer[T Integer] struct{ op op }

func (c integer[T]) Append(dst []byte, v T) ([]byte, error) {
	if c.op.width() == 3 {
		if err := c.op.check24(uint64(v)); err != nil {
			return dst, err
		}
	}
	return c.op.store(dst, uint64(v)), nil
}

func (c integer[T]) Decode(r *Reader) (T, error) {
	p, err := r.Next(c.op.width())
	if err != nil {
		return 0, err
	}
	return T(c.op.load(p)), nil
}

func (c integer[T]) Size() Size    { return Size{Min: c.op.width(), Max: c.op.width()} }
func (c integer[T]) operation() op { return c.op }

// largest is the greatest number that the codec can encode.
func (c integer[T]) largest() uint64 { return largestOf[T](c.op.width()) }

// float returns the codec of a floating-point number as the integer with the same bits.
func float[F float32 | float64, N Integer](o op) Codec[F] {
	return as[F, N]{integer[N]{o}, integer[N]{o}}
}
