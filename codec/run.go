package codec

import (
	"encoding/binary"
	"math"
)

// run is a sequence of numbers of fixed widths, possibly empty.
type run struct {
	width   int
	room    int      // width plus that of the length of the text after the run
	numbers []number // all of them
	bools   []number // those checked when decoding
	odd     []number // those of 24 bits, which have no moves
	out, in moves    // from the struct to the bytes, and back
	wide    []wide   // for program.write: the swaps of out, and the length of the text after the run
	inside  int      // how many of wide write nothing behind the record, whatever its texts
	tail    []move   // the others as moves of single bytes
	copies  bool     // out has moves that are not swaps
}

// number is one of a run.
type number struct {
	name   string
	op     op
	at     uintptr // in the bytes of the run
	offset uintptr // in the struct
}

// moves are copies of the numbers of a run between a struct and its bytes, in lists by what happens to the bytes, so
// that nothing is decided for each number. Neighbors in both places are moved together, up to eight bytes at once. A
// swap reverses the bytes of each number: swap4x2 swaps two numbers of four bytes, swap2x4 four of two. A copy moves
// numbers that are not swapped.
type moves struct {
	swap8, swap4x2, swap4, swap2, copy2, copy1 []move

	more                  bool // some of these are not empty
	swap2x4, copy8, copy4 []move
}

// move is a copy from an offset in one memory to an offset in the other.
type move struct{ from, to uint32 }

// wide moves a swapped number of any width. It reads the eight bytes of the struct at from, which contain the number,
// reverses them, shifts the number to the front, and writes all eight. The bytes behind the number are overwritten by
// the moves that follow.
type wide struct{ from, to, shift uint32 }

// hostIsBigEndian is the order of bytes in memory.
var hostIsBigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func (o op) bigEndian() bool { return o == op16 || o == op32 || o == op64 }

// swapped reports whether the bytes on the wire are in the opposite order to memory.
func (n *number) swapped() bool { return n.op.width() > 1 && n.op.bigEndian() != hostIsBigEndian }

func (n *run) add(name string, o op, offset uintptr) {
	refuse(offset > math.MaxUint32 || n.width > math.MaxInt32, "Record: %q is too far from the start of the struct", name)
	m := number{name, o, uintptr(n.width), offset}
	n.numbers = append(n.numbers, m)
	n.width += o.width()
	switch {
	case o == opBool:
		n.bools = append(n.bools, m)
	case o.width() == 3:
		n.odd = append(n.odd, m)
	}
}

// compile builds the moves of the numbers that were added.
func (n *run) compile() {
	n.out, n.in, n.room = moves{}, moves{}, n.width
	for rest := n.numbers; len(rest) > 0; {
		k := together(rest)
		if rest[0].op.width() != 3 {
			n.plan(rest[:k])
		}
		rest = rest[k:]
	}
	n.in.more = len(n.in.swap2x4)+len(n.in.copy8)+len(n.in.copy4) > 0
	n.out.more = n.in.more
}

// compileWide builds the moves of write, on a machine with little-endian order. at is the offset of the text after the
// run, if there is one, and t its length. size is the size of the struct, at least 8, and left the number of bytes of
// the record from here on, not counting texts.
func (n *run) compileWide(t op, at, size, left uintptr) {
	for _, m := range n.numbers {
		if m.swapped() {
			n.widen(m, size, left)
		}
	}
	if n.room > n.width {
		at += uintptr(memorySize[int]()) // the length is the second word of a string or []byte
		if length := (number{op: t, at: uintptr(n.width), offset: at}); length.swapped() {
			n.widen(length, size, left)
		} else {
			for i := range uintptr(t.width()) {
				n.widen(number{op: op8, at: length.at + i, offset: at + i}, size, left)
			}
		}
	}
	n.copies = n.out.more || len(n.out.copy2)+len(n.out.copy1) > 0
}

// slack is the number of bytes behind a number that its wide move may overwrite.
const slack = 7

// widen adds the wide move of a number and, if that may write behind the record, moves of its bytes.
func (n *run) widen(m number, size, left uintptr) {
	width := uintptr(m.op.width())
	if m.at+8 > left {
		for i := range width {
			n.tail = append(n.tail, move{uint32(m.offset + width - 1 - i), uint32(m.at + i)})
		}
	} else {
		n.inside++
	}
	from := min(m.offset&^7, size-8) // a word, because a read across two that were just written waits for both
	if m.offset&7+width > 8 {
		from = m.offset + width - 8
	}
	n.wide = append(n.wide, wide{uint32(from), uint32(m.at), uint32(8 * (from + 8 - m.offset - width))})
}

// together returns how many numbers, from the first on, are neighbors both on the wire and in the struct and are moved
// in the same way.
func together(all []number) int {
	for i := range all[1:] {
		a, b := &all[i], &all[i+1]
		width := uintptr(a.op.width())
		same := a.swapped() == b.swapped() && (!a.swapped() || a.op.width() == b.op.width())
		if !same || width == 3 || b.op.width() == 3 || b.offset-a.offset != width {
			return i + 1
		}
	}
	return len(all)
}

// plan adds the moves of numbers that go together, as wide as possible.
func (n *run) plan(all []number) {
	first, last := &all[0], &all[len(all)-1]
	at, end := first.at, last.at+uintptr(last.op.width())
	for offset := first.offset; at < end; {
		out, size := n.out.list(first, end-at)
		*out = append(*out, move{from: uint32(offset), to: uint32(at)})
		in, _ := n.in.list(first, end-at)
		*in = append(*in, move{from: uint32(at), to: uint32(offset)})
		at, offset = at+size, offset+size
	}
}

// list returns the list of the next move of bytes like those of like, and the number of bytes that it moves.
func (m *moves) list(like *number, bytes uintptr) (list *[]move, size uintptr) {
	switch width := like.op.width(); {
	case like.swapped() && width == 8:
		return &m.swap8, 8
	case like.swapped() && width == 4 && bytes >= 8:
		return &m.swap4x2, 8
	case like.swapped() && width == 4:
		return &m.swap4, 4
	case like.swapped() && bytes >= 8:
		return &m.swap2x4, 8
	case like.swapped():
		return &m.swap2, 2
	case bytes >= 8:
		return &m.copy8, 8
	case bytes >= 4:
		return &m.copy4, 4
	case bytes >= 2:
		return &m.copy2, 2
	}
	return &m.copy1, 1
}

// store writes the numbers of a run to p, which has room for them.
func (n *run) store(p []byte, v place) {
	n.out.write(p, v)
	for i := range n.odd {
		m := &n.odd[i]
		m.op.store(p[m.at:][:0], m.get(v))
	}
}

// load reads the numbers of a run from p, which has all of their bytes.
func (n *run) load(p []byte, v place) {
	n.in.read(v, p)
	for i := range n.odd {
		m := &n.odd[i]
		*valueAt[uint32](v.at(m.offset)) = uint32(m.op.load(p[m.at:]))
	}
}

// decode reads the numbers of a run.
func (n *run) decode(r *Reader, v place) error {
	if len(r.buf)-r.pos < n.width {
		if r.need(n.width) != nil {
			return n.firstWrong(r)
		}
	}
	p := r.buf[r.pos:]
	if !n.sound(p) {
		return n.firstWrong(r)
	}
	r.pos += n.width
	n.load(p, v)
	return nil
}

// check24 rejects numbers of 24 bits that do not fit.
func (n *run) check24(v place) error {
	for i := range n.odd {
		m := &n.odd[i]
		if err := m.op.check24(m.get(v)); err != nil {
			return WrapField(m.name, err)
		}
	}
	return nil
}

// get returns a number of 24 bits in a struct, sign-extended if it is signed.
func (m *number) get(v place) uint64 {
	u := *valueAt[uint32](v.at(m.offset))
	if m.op == opInt24 || m.op == opInt24LE {
		return uint64(int32(u))
	}
	return uint64(u)
}

// firstWrong returns the error of the first number of a run that is incomplete or invalid.
func (n *run) firstWrong(r *Reader) (err error) {
	for _, m := range n.numbers {
		if m.op == opBool {
			_, err = r.Bool()
		} else {
			err = r.Skip(m.op.width())
		}
		if err != nil {
			return r.WrapField(m.name, err)
		}
	}
	return nil
}

// sound reports whether all numbers in p are valid.
func (n *run) sound(p []byte) bool {
	for i := range n.bools {
		if p[n.bools[i].at] > 1 {
			return false
		}
	}
	return true
}
