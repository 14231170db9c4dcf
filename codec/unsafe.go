package codec

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"unicode/utf8"
	"unsafe"
)

// This file has all unsafe code of the package: strings made of bytes that do not change, pointers to values of a type
// that differs only in name, and places of fields within a struct, by which a Record moves them. The offset of a field
// comes from its accessor or from reflect, and the whole field lies within the struct. Tests run this code under
// checkptr.

// ownedString returns a string of bytes that must not change any more.
func ownedString(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// memorySize returns the number of bytes of a T in memory.
func memorySize[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// renamed returns v as a pointer to a B, which has the same underlying type as A; see [As].
func renamed[B, A any](v *A) *B { return (*B)(unsafe.Pointer(v)) }

// offsetOf returns the offset in a T of the field that access returns a pointer to. It fails if that field is not
// within the T.
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

// place is the address of a value without its type. It must not outlive the call that it is passed to.
type place struct{ p unsafe.Pointer }

// placeOf returns the place of *v.
func placeOf[T any](v *T) place { return place{unsafe.Pointer(v)} }

// hidden returns p hidden from escape analysis; see noEscape.
func (p place) hidden() place { return place{noEscape(p.p)} }

// at returns the place at an offset from p, in the same struct.
func (p place) at(offset uintptr) place { return place{unsafe.Add(p.p, offset)} }

// valueAt returns the value at p, which is an F or has the same representation.
func valueAt[F any](p place) *F { return (*F)(p.p) }

// reflected returns the value at p, which has this type.
func (p place) reflected(t reflect.Type) reflect.Value { return reflect.NewAt(t, p.p).Elem() }

// placeOfElement returns the place of an element of a slice.
func placeOfElement(all reflect.Value, i int) place {
	return place{all.Index(i).Addr().UnsafePointer()}
}

// noEscape hides p from escape analysis, which cannot see that a method of an interface does not keep the pointer.
// Codecs do not keep it, and functions of the user get only values. The stack must not move while p is a number. So
// noEscape is not inlined: the compiler would keep the number, not the pointer, across calls that follow or that are
// arguments of the same call.
//
//go:nosplit
//go:noinline
//go:nocheckptr
func noEscape(p unsafe.Pointer) unsafe.Pointer { return unsafe.Add(nil, uintptr(p)) }

// hidden is noEscape for methods of interfaces of this package, which do not keep the pointer.
func hidden[T any](p *T) *T { return (*T)(noEscape(unsafe.Pointer(p))) }

// read moves numbers from p, which has room for all of them, to a struct.
func (m *moves) read(v place, p []byte) { m.do(v.p, unsafe.Pointer(unsafe.SliceData(p))) }

// write moves numbers from a struct to p, which has room for all of them.
func (m *moves) write(p []byte, v place) { m.do(unsafe.Pointer(unsafe.SliceData(p)), v.p) }

// write appends the struct at v to dst and returns the room left in it. It returns less than 0 if there is too little
// room, a text is invalid, or the struct is not flat. It is a single loop with few live variables and without calls,
// and it copies small texts itself: divided into functions it took half as long again. Wide moves write up to slack
// bytes behind a number. Those near the end are made only if the record ends in a text of as many bytes.
func (p *program) write(dst []byte, v place) (left int) {
	left = cap(dst) - len(dst) - p.room
	inside := true
	if p.textLast {
		n := len(*valueAt[string](v.at(p.lastText)))
		inside = n < slack
		left -= n
	}
	if left < 0 {
		return left
	}
	to := unsafe.Add(unsafe.Pointer(unsafe.SliceData(dst)), len(dst))
	for s := &p.steps[0]; ; s = s.next {
		wide := s.run.wide
		if inside {
			wide = wide[:s.run.inside]
		}
		for _, m := range wide {
			u := bits.ReverseBytes64(binary.NativeEndian.Uint64((*[8]byte)(unsafe.Add(v.p, m.from))[:])) >> (m.shift & 63)
			binary.NativeEndian.PutUint64((*[8]byte)(unsafe.Add(to, m.to))[:], u)
		}
		if inside {
			for _, m := range s.run.tail {
				*(*byte)(unsafe.Add(to, m.to)) = *(*byte)(unsafe.Add(v.p, m.from))
			}
		}
		if s.run.copies {
			for _, m := range s.run.out.copy2 {
				put2(unsafe.Add(to, m.to), get2(unsafe.Add(v.p, m.from)))
			}
			for _, m := range s.run.out.copy1 {
				*(*byte)(unsafe.Add(to, m.to)) = *(*byte)(unsafe.Add(v.p, m.from))
			}
			if s.run.out.more {
				s.run.out.copyMore(to, v.p)
			}
		}
		t := s.text
		if t == nil {
			break
		}
		text := *valueAt[string](v.at(s.at)) // or the first two words of a []byte
		n, from := len(text), unsafe.Pointer(unsafe.StringData(text))
		if s.next != nil {
			left -= n
		}
		if left < 0 || n > t.max || t.utf8 && !utf8.ValidString(text) {
			return -1
		}
		if n == 0 && s.next == nil {
			break // to must not point behind dst
		}
		to = unsafe.Add(to, s.run.room)
		switch {
		case n > 16 || n < 4:
			copy(unsafe.Slice((*byte)(to), n), text)
		case n >= 8:
			put8(unsafe.Add(to, n-8), get8(unsafe.Add(from, n-8)))
			put8(to, get8(from))
		default:
			put4(unsafe.Add(to, n-4), get4(unsafe.Add(from, n-4)))
			put4(to, get4(from))
		}
		if s.next == nil {
			break
		}
		to = unsafe.Add(to, n)
	}
	return left
}

// do moves numbers from src to dst, one of which is a struct and the other its bytes.
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
	m.copyMore(dst, src)
}

// copyMore makes the copies of eight and of four bytes.
func (m *moves) copyMore(dst, src unsafe.Pointer) {
	for _, m := range m.copy8 {
		put8(unsafe.Add(dst, m.to), get8(unsafe.Add(src, m.from)))
	}
	for _, m := range m.copy4 {
		put4(unsafe.Add(dst, m.to), get4(unsafe.Add(src, m.from)))
	}
}

// Numbers may be unaligned, so they are read and written as arrays.

func get8(p unsafe.Pointer) uint64    { return binary.NativeEndian.Uint64((*[8]byte)(p)[:]) }
func get4(p unsafe.Pointer) uint32    { return binary.NativeEndian.Uint32((*[4]byte)(p)[:]) }
func get2(p unsafe.Pointer) uint16    { return binary.NativeEndian.Uint16((*[2]byte)(p)[:]) }
func put8(p unsafe.Pointer, u uint64) { binary.NativeEndian.PutUint64((*[8]byte)(p)[:], u) }
func put4(p unsafe.Pointer, u uint32) { binary.NativeEndian.PutUint32((*[4]byte)(p)[:], u) }
func put2(p unsafe.Pointer, u uint16) { binary.NativeEndian.PutUint16((*[2]byte)(p)[:], u) }
