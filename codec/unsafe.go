package codec

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"unsafe"
)

// This file is all that is unsafe in this package: strings made of bytes that nobody will change, values of a type that
// differs from another in its name alone, and the places of fields within a struct, by which a Record moves them. An
// offset was found by calling the field's accessor, or is reflect's, and lies with the whole field within the struct.
// Tests run it under checkptr.

// ownedString makes a string of bytes that nobody will change.
func ownedString(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// memorySize returns the number of bytes of a T in memory.
func memorySize[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// renamed is v as a pointer to a B, whose underlying type is that of A; see [As].
func renamed[B, A any](v *A) *B { return (*B)(unsafe.Pointer(v)) }

// offsetOf returns where in a T the pointer that access returns points to. It fails if that is not within the T.
func offsetOf[T, F any](access func(*T) *F) (offset uintptr, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false // it followed a nil pointer
		}
	}()
	v := new(T)
	at := unsafe.Pointer(access(v))
	offset = uintptr(at) - uintptr(unsafe.Pointer(v))
	var f F
	if at == nil || uintptr(at) < uintptr(unsafe.Pointer(v)) || offset+unsafe.Sizeof(f) > unsafe.Sizeof(*v) {
		return 0, false
	}
	return offset, true
}

// place is where a value lies in memory, without its type. It lives no longer than the call that it is passed to.
type place struct{ p unsafe.Pointer }

// placeOf returns the place of *v, hidden from escape analysis.
func placeOf[T any](v *T) place { return place{noEscape(unsafe.Pointer(v))} }

// at returns the place of what lies after p in the same struct.
func (p place) at(offset uintptr) place { return place{unsafe.Add(p.p, offset)} }

// valueAt returns what lies at p, which is an F or has the same representation.
func valueAt[F any](p place) *F { return (*F)(p.p) }

// reflected returns the value of this type that lies at p.
func (p place) reflected(t reflect.Type) reflect.Value { return reflect.NewAt(t, p.p).Elem() }

// placeOfElement returns the place of an element of a slice.
func placeOfElement(all reflect.Value, i int) place {
	return place{all.Index(i).Addr().UnsafePointer()}
}

// noEscape hides p from escape analysis, which cannot see through an interface that nobody keeps the pointer: codecs get
// and return values, and functions of the user are given values only. It is what strings.Builder does, and like there
// nothing may come between the two conversions at which the stack could move.
//
//go:nosplit
//go:nocheckptr
func noEscape(p unsafe.Pointer) unsafe.Pointer { return unsafe.Add(nil, uintptr(p)) }

// hidden is p as noEscape returns it, for methods of our interfaces that keep no pointer that they are given.
func hidden[T any](p *T) *T { return (*T)(noEscape(unsafe.Pointer(p))) }

// read moves numbers from p, which has room for all of them, to a struct.
func (m *moves) read(v place, p []byte) { m.do(v.p, unsafe.Pointer(unsafe.SliceData(p))) }

// write moves numbers from a struct to p, which has room for all of them.
func (m *moves) write(p []byte, v place) { m.do(unsafe.Pointer(unsafe.SliceData(p)), v.p) }

// write puts a flat struct in dst and returns the number of its bytes, or 0 if that is too little or a text does not fit.
func (p *program) write(dst []byte, v place) int {
	to, at, left := unsafe.Pointer(unsafe.SliceData(dst)), 0, len(dst)-p.fixed
	if left < 0 {
		return 0
	}
	for i := range p.steps {
		s := &p.steps[i]
		s.run.out.do(unsafe.Add(to, at), v.p)
		at += s.run.room
		if s.text == nil {
			break
		}
		text := *valueAt[string](v.at(s.at))
		if left -= len(text); left < 0 || !s.text.fits(text) {
			return 0
		}
		if n := len(text); n > 0 { // else this may be the end of dst
			copySmall(unsafe.Add(to, at), text)
			at += n
		}
	}
	return at
}

// copySmall copies s to p, which has room, without a call if it is small, as most texts are.
func copySmall(p unsafe.Pointer, s string) {
	n, from := len(s), unsafe.Pointer(unsafe.StringData(s))
	switch {
	case n > 16 || n < 4:
		copy(unsafe.Slice((*byte)(p), n), s)
	case n >= 8:
		put8(unsafe.Add(p, n-8), get8(unsafe.Add(from, n-8)))
		put8(p, get8(from))
	default:
		put4(unsafe.Add(p, n-4), get4(unsafe.Add(from, n-4)))
		put4(p, get4(from))
	}
}

// do moves numbers from src to dst, of which one is a struct and the other its bytes.
func (m *moves) do(dst, src unsafe.Pointer) {
	for _, m := range m.swap8 {
		put8(unsafe.Add(dst, m.to), bits.ReverseBytes64(get8(unsafe.Add(src, m.from))))
	}
	for _, m := range m.swap4x2 {
		put8(unsafe.Add(dst, m.to), bits.RotateLeft64(bits.ReverseBytes64(get8(unsafe.Add(src, m.from))), 32))
	}
	for _, m := range m.swap4 {
		put4(unsafe.Add(dst, m.to), bits.ReverseBytes32(get4(unsafe.Add(src, m.from))))
	}
	for _, m := range m.swap2 {
		put2(unsafe.Add(dst, m.to), bits.ReverseBytes16(get2(unsafe.Add(src, m.from))))
	}
	for _, m := range m.copy2 {
		put2(unsafe.Add(dst, m.to), get2(unsafe.Add(src, m.from)))
	}
	for _, m := range m.copy1 {
		*(*byte)(unsafe.Add(dst, m.to)) = *(*byte)(unsafe.Add(src, m.from))
	}
	if !m.more {
		return
	}
	for _, m := range m.swap2x4 {
		const odd = 0x00ff00ff00ff00ff
		u := get8(unsafe.Add(src, m.from))
		put8(unsafe.Add(dst, m.to), u>>8&odd|u&odd<<8)
	}
	for _, m := range m.copy8 {
		put8(unsafe.Add(dst, m.to), get8(unsafe.Add(src, m.from)))
	}
	for _, m := range m.copy4 {
		put4(unsafe.Add(dst, m.to), get4(unsafe.Add(src, m.from)))
	}
}

// Numbers lie at any address, so they are read and written as arrays.

func get8(p unsafe.Pointer) uint64    { return binary.NativeEndian.Uint64((*[8]byte)(p)[:]) }
func get4(p unsafe.Pointer) uint32    { return binary.NativeEndian.Uint32((*[4]byte)(p)[:]) }
func get2(p unsafe.Pointer) uint16    { return binary.NativeEndian.Uint16((*[2]byte)(p)[:]) }
func put8(p unsafe.Pointer, u uint64) { binary.NativeEndian.PutUint64((*[8]byte)(p)[:], u) }
func put4(p unsafe.Pointer, u uint32) { binary.NativeEndian.PutUint32((*[4]byte)(p)[:], u) }
func put2(p unsafe.Pointer, u uint16) { binary.NativeEndian.PutUint16((*[2]byte)(p)[:], u) }
