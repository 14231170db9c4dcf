package codec

import (
	"encoding/binary"
	"math/bits"
	"reflect"
	"slices"
	"unsafe"
)

// This file holds all that is unsafe in this package: strings made of bytes that nobody will change, and the tables by
// which a Record moves numbers between bytes and the fields of a struct. An offset in such a table was found by calling
// the field's accessor, or is reflect's, and lies with the whole field within the struct.

// ownedString makes a string of bytes that nobody will change.
func ownedString(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }

// memorySize returns the number of bytes of a T in memory.
func memorySize[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

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

// caller encodes and decodes one field by its codec.
type caller interface {
	appendAt(dst []byte, at unsafe.Pointer) ([]byte, error)
	decodeAt(r *Reader, at unsafe.Pointer) error
}

// callOf returns the caller of a codec.
func callOf[F any](c Codec[F]) caller { return call[F]{c} }

type call[F any] struct{ c Codec[F] }

func (c call[F]) appendAt(dst []byte, at unsafe.Pointer) ([]byte, error) {
	return c.c.Append(dst, *(*F)(at))
}

func (c call[F]) decodeAt(r *Reader, at unsafe.Pointer) (err error) {
	*(*F)(at), err = c.c.Decode(r)
	return err
}

func (l literal) appendAt(dst []byte, _ unsafe.Pointer) ([]byte, error) {
	return l.c.Append(dst, struct{}{})
}

func (l literal) decodeAt(r *Reader, _ unsafe.Pointer) error {
	_, err := l.c.Decode(r)
	return err
}

// appendFrom appends *v.
func appendFrom[T any](p *program, dst []byte, v *T) ([]byte, error) {
	if n := p.plain; n != nil {
		return n.append(dst, noEscape(unsafe.Pointer(v))), nil
	}
	return p.append(dst, noEscape(unsafe.Pointer(v)))
}

// readInto decodes what comes next in r.
func readInto[T any](p *program, r *Reader, v *T) error {
	return p.decode(r, noEscape(unsafe.Pointer(v)))
}

// flatInto decodes what is at the start of b, as decodeQuick does.
func flatInto[T any](p *program, b []byte, own cloner, v *T) (n int, ok bool) {
	return p.decodeFlat(b, own, noEscape(unsafe.Pointer(v)))
}

// plainInto decodes what is at the start of p, which is long enough.
func plainInto[T any](n *run, p []byte, v *T) {
	n.in.do(noEscape(unsafe.Pointer(v)), unsafe.Pointer(unsafe.SliceData(p)))
}

// noEscape hides p from escape analysis, which cannot see through an interface that a program keeps no pointer to the
// struct that it works on: codecs get and return values. It is what strings.Builder does, and like there nothing may
// come between the two conversions at which the stack could move.
//
//go:nosplit
//go:nocheckptr
func noEscape(p unsafe.Pointer) unsafe.Pointer { return unsafe.Add(nil, uintptr(p)) }

// hidden is p as noEscape returns it, for methods of interfaces that keep no pointer that they
// are given.
func hidden[T any](p *T) *T { return (*T)(noEscape(unsafe.Pointer(p))) }

// append appends the struct that v points to.
func (p *program) append(dst []byte, v unsafe.Pointer) ([]byte, error) {
	if p.flat {
		if out, ok := p.appendFlat(dst, v); ok {
			return out, nil
		}
	}
	for i := range p.steps {
		s := &p.steps[i]
		err := s.run.check24(v)
		if err == nil {
			dst = s.run.append(dst, v)
		}
		switch {
		case err != nil:
			return dst, err
		case s.text != nil:
			dst, err = s.text.append(dst, textAt(v, s.offset))
		case s.call != nil:
			dst, err = s.call.appendAt(dst, unsafe.Add(v, s.offset))
		}
		if err != nil {
			return dst, WrapField(s.name, err)
		}
	}
	return dst, nil
}

// appendFlat is append of a flat program, with room made once. It returns false if something does not fit.
func (p *program) appendFlat(dst []byte, v unsafe.Pointer) ([]byte, bool) {
	need, ok := p.room(v)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst = withRoom(dst, need)[:start+need]
	base, at := unsafe.Pointer(unsafe.SliceData(dst)), start
	for i := range p.steps {
		s := &p.steps[i]
		if s.run.width > 0 {
			s.run.out.do(unsafe.Add(base, at), v)
			if len(s.run.odd) > 0 {
				s.run.storeOdd(unsafe.Add(base, at), v)
			}
			at += s.run.width
		}
		if s.text == nil {
			break
		}
		text := textAt(v, s.offset)
		s.text.op.put(unsafe.Add(base, at), len(text)+s.text.adjust)
		at += s.text.width
		at += copy(dst[at:], text)
	}
	return dst, true
}

// put stores a length at p.
func (o op) put(p unsafe.Pointer, n int) {
	switch o {
	case op8:
		*(*byte)(p) = byte(n)
	case op16:
		binary.BigEndian.PutUint16((*[2]byte)(p)[:], uint16(n))
	case op32:
		binary.BigEndian.PutUint32((*[4]byte)(p)[:], uint32(n))
	default:
		o.store(unsafe.Slice((*byte)(p), o.width())[:0], uint64(n))
	}
}

// room returns how many bytes the struct takes, if all that is in it fits.
func (p *program) room(v unsafe.Pointer) (need int, ok bool) {
	need = p.fixed
	for i := range p.steps {
		s := &p.steps[i]
		if len(s.run.odd) > 0 && s.run.check24(v) != nil {
			return 0, false
		}
		if s.text == nil {
			break
		}
		text := textAt(v, s.offset)
		if !s.text.fits(text) {
			return 0, false
		}
		need += len(text)
	}
	return need, true
}

// textAt is the string at offset in a struct, or of a []byte the same two words.
func textAt(v unsafe.Pointer, offset uintptr) string { return *(*string)(unsafe.Add(v, offset)) }

// decode fills the struct that v points to.
func (p *program) decode(r *Reader, v unsafe.Pointer) (err error) {
	for i := range p.steps {
		s := &p.steps[i]
		if err := s.run.decode(r, v); err != nil {
			return err
		}
		switch {
		case s.text != nil:
			err = s.text.decodeAt(r, unsafe.Add(v, s.offset))
		case s.call != nil:
			err = s.call.decodeAt(r, unsafe.Add(v, s.offset))
		}
		if err != nil {
			return r.WrapField(s.name, err)
		}
	}
	return nil
}

// decodeFlat is decode of a flat program from what is at hand, if it is all there and right. own makes the copies.
func (p *program) decodeFlat(b []byte, own cloner, v unsafe.Pointer) (n int, ok bool) {
	if !p.flat {
		return 0, false
	}
	rest := b
	for i := range p.steps {
		s := &p.steps[i]
		if len(rest) < s.run.width || !s.run.sound(rest) {
			return 0, false
		}
		s.run.load(rest, v)
		rest = rest[s.run.width:]
		if s.text == nil {
			continue
		}
		text, ok := s.text.lend(rest)
		if !ok {
			return 0, false
		}
		s.text.set(unsafe.Add(v, s.offset), text, own)
		rest = rest[s.text.width+len(text):]
	}
	return len(b) - len(rest), true
}

// set puts a copy of p where a text belongs.
func (t *textOp) set(at unsafe.Pointer, p []byte, own cloner) {
	owned := []byte{}
	if len(p) > 0 {
		owned = own.Clone(p)
	}
	if t.bytes {
		*(*[]byte)(at) = owned
	} else {
		*(*string)(at) = ownedString(owned)
	}
}

func (t *textOp) decodeAt(r *Reader, at unsafe.Pointer) (err error) {
	if !t.bytes {
		*(*string)(at), err = t.decode(r)
		return err
	}
	n, err := t.open(r)
	if err == nil {
		*(*[]byte)(at), err = r.Bytes(n)
	}
	return err
}

// check24 refuses numbers of 24 bits that do not fit.
func (n *run) check24(v unsafe.Pointer) error {
	for i := range n.odd {
		m := &n.odd[i]
		if err := m.op.check24(m.get(v)); err != nil {
			return WrapField(m.name, err)
		}
	}
	return nil
}

// get returns a number of 24 bits in a struct, with the sign extended if it has one.
func (m *number) get(v unsafe.Pointer) uint64 {
	u := *(*uint32)(unsafe.Add(v, m.offset))
	if m.op == opInt24 || m.op == opInt24LE {
		return uint64(int32(u))
	}
	return uint64(u)
}

// set puts a number of 24 bits into a struct.
func (m *number) set(v unsafe.Pointer, u uint64) {
	*(*uint32)(unsafe.Add(v, m.offset)) = uint32(u)
}

// append appends the numbers of a run.
func (n *run) append(dst []byte, v unsafe.Pointer) []byte {
	if n.width == 0 {
		return dst
	}
	start := len(dst)
	dst = withRoom(dst, n.width)[:start+n.width]
	at := unsafe.Add(unsafe.Pointer(unsafe.SliceData(dst)), start)
	n.out.do(at, v)
	if len(n.odd) > 0 {
		n.storeOdd(at, v)
	}
	return dst
}

// withRoom returns dst with room for n more bytes behind it.
func withRoom(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		return grown(dst, n)
	}
	return dst
}

// grown is kept out of its callers, who seldom need it.
//
//go:noinline
func grown(dst []byte, n int) []byte { return slices.Grow(dst, n) }

// storeOdd puts the numbers of 24 bits where they belong in the bytes of a run, which begin at p.
func (n *run) storeOdd(p, v unsafe.Pointer) {
	for i := range n.odd {
		m := &n.odd[i]
		m.op.store(unsafe.Slice((*byte)(unsafe.Add(p, m.at)), 3)[:0], m.get(v))
	}
}

// load puts the numbers of a run, which p has all bytes of, where they belong.
func (n *run) load(p []byte, v unsafe.Pointer) {
	n.in.do(v, unsafe.Pointer(unsafe.SliceData(p)))
	for i := range n.odd {
		m := &n.odd[i]
		m.set(v, m.op.load(p[m.at:]))
	}
}

// decode reads the numbers of a run.
func (n *run) decode(r *Reader, v unsafe.Pointer) error {
	if len(r.buf)-r.pos < n.width {
		start := r.Offset()
		if err := r.need(n.width); err != nil {
			return n.shortOf(r, start, err)
		}
	}
	p := r.buf[r.pos:]
	r.pos += n.width
	if !n.sound(p) {
		return n.unsound(r, p)
	}
	n.load(p, v)
	return nil
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

func get8(p unsafe.Pointer) uint64 { return binary.NativeEndian.Uint64((*[8]byte)(p)[:]) }
func get4(p unsafe.Pointer) uint32 { return binary.NativeEndian.Uint32((*[4]byte)(p)[:]) }
func get2(p unsafe.Pointer) uint16 { return binary.NativeEndian.Uint16((*[2]byte)(p)[:]) }

func put8(p unsafe.Pointer, u uint64) { binary.NativeEndian.PutUint64((*[8]byte)(p)[:], u) }
func put4(p unsafe.Pointer, u uint32) { binary.NativeEndian.PutUint32((*[4]byte)(p)[:], u) }
func put2(p unsafe.Pointer, u uint16) { binary.NativeEndian.PutUint16((*[2]byte)(p)[:], u) }

// slice is a []F of a [Struct] behind the number of its values. It is the one kind of field whose memory reflection
// allocates.
type slice struct {
	count textOp
	elem  *program
	of    reflect.Type // []F
	size  uintptr      // of an F in memory
}

// sliceHeader is how a slice lies in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

func (s *slice) appendAt(dst []byte, at unsafe.Pointer) ([]byte, error) {
	all := (*sliceHeader)(at)
	if all.len > s.count.max {
		return dst, tooLarge("a count", uint64(all.len), s.count.max)
	}
	dst = s.count.op.store(dst, uint64(all.len))
	for i := range all.len {
		var err error
		if dst, err = s.elem.append(dst, unsafe.Add(all.data, uintptr(i)*s.size)); err != nil {
			return dst, WrapField("["+itoa(i)+"]", err)
		}
	}
	return dst, nil
}

func (s *slice) decodeAt(r *Reader, at unsafe.Pointer) error {
	n, err := s.count.open(r)
	if err != nil {
		return err
	}
	least := max(s.elem.size.Min, 1)
	if left, ok := r.Remaining(); ok && n > left/least {
		return r.Fail(r.Offset(), because(ErrTooLarge, "%d values of at least %d bytes, where the frame has %d bytes left", n, least, left))
	}
	room := min(n, max(len(r.Buffered())/least, 4))
	all := reflect.MakeSlice(s.of, room, room)
	for i := range n {
		if i == all.Len() {
			bigger := reflect.MakeSlice(s.of, min(2*i, n), min(2*i, n))
			reflect.Copy(bigger, all)
			all = bigger
		}
		if err := s.elem.decode(r, unsafe.Add(all.UnsafePointer(), uintptr(i)*s.size)); err != nil {
			return r.WrapField("["+itoa(i)+"]", err)
		}
	}
	*(*sliceHeader)(at) = sliceHeader{all.UnsafePointer(), n, all.Len()}
	return nil
}
