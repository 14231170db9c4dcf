package codec

import (
	"encoding/binary"
	"unicode/utf8"
)

// program is a compiled record: steps in the order of their bytes.
type program struct {
	steps []step
	size  Size
}

// step is a run of numbers, or one other field.
type step struct {
	name   string
	offset uintptr
	run    *run
	text   *textOp
	call   caller
}

// run is numbers one behind the other, grouped by their width: what is done with those of one width is the same, so that
// there is nothing to decide for each.
type run struct {
	width          int
	w1, w2, w4, w8 []move
	w3             []namedMove // of 24 bits: they are few
	bools          []namedMove // are among w1
	names          []namedMove // all of them, for errors
}

// move is a number at a place in the bytes of a run, and at a place in the struct.
type move struct {
	at, offset uintptr
	swap       uint64 // all ones if the bytes are in the other order than in memory
}

// namedMove is what an error needs of a number.
type namedMove struct {
	move
	name string
	op   op
}

// add compiles one more field.
func (p *program) add(f field) {
	p.size = p.size.plus(f.size)
	switch {
	case f.part != nil:
		for _, s := range f.part.steps {
			p.addStep(s, f.name, f.offset)
		}
	case f.op != 0:
		p.lastRun().add(f.name, f.op, f.offset)
	default:
		p.steps = append(p.steps, step{name: f.name, offset: f.offset, text: f.text, call: f.call})
	}
}

// addStep adds a step of a record that lies at offset in this one.
func (p *program) addStep(s step, name string, offset uintptr) {
	if s.run != nil {
		for _, m := range s.run.names {
			p.lastRun().add(joinPath(name, m.name), m.op, offset+m.offset)
		}
		return
	}
	if s.name != "" {
		s.name = joinPath(name, s.name)
	}
	s.offset += offset
	p.steps = append(p.steps, s)
}

// lastRun returns the run that the next number belongs to.
func (p *program) lastRun() *run {
	if n := len(p.steps); n == 0 || p.steps[n-1].run == nil {
		p.steps = append(p.steps, step{run: &run{}})
	}
	return p.steps[len(p.steps)-1].run
}

func (n *run) add(name string, o op, offset uintptr) {
	m := namedMove{move{at: uintptr(n.width), offset: offset}, name, o}
	if o.bigEndian() != hostIsBigEndian {
		m.swap = ^uint64(0)
	}
	n.names = append(n.names, m)
	n.width += o.width()
	switch o.width() {
	case 1:
		n.w1 = append(n.w1, m.move)
	case 2:
		n.w2 = append(n.w2, m.move)
	case 3:
		n.w3 = append(n.w3, m)
	case 4:
		n.w4 = append(n.w4, m.move)
	case 8:
		n.w8 = append(n.w8, m.move)
	}
	if o == opBool {
		n.bools = append(n.bools, m)
	}
}

// hostIsBigEndian is the order of bytes in memory.
var hostIsBigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func (o op) bigEndian() bool { return o == op16 || o == op32 || o == op64 }

// shortOf names the number of a run that the bytes did not suffice for.
func (n *run) shortOf(r *Reader, start int64, err error) error {
	have := int(r.locate(err).Offset - start)
	if left, ok := r.Remaining(); ok && have == 0 {
		have = left
	}
	for _, m := range n.names {
		if have < int(m.at)+m.op.width() {
			return r.Within(m.name, err)
		}
	}
	return err
}

// checkBytes refuses numbers that mean nothing.
func (n *run) checkBytes(r *Reader, p []byte) error {
	for _, m := range n.bools {
		if p[m.at] > 1 {
			at := r.Offset() - int64(n.width) + int64(m.at)
			return r.Within(m.name, r.Fail(at, because(ErrMalformed, "a bool of %d", p[m.at])))
		}
	}
	return nil
}

// open reads the length of a text.
func (t *textOp) open(r *Reader) (int, error) {
	w := t.op.width()
	p, err := r.Next(w)
	if err != nil {
		return 0, r.Within("length", err)
	}
	u := t.op.load(p)
	n := int64(u) - int64(t.adjust)
	if n < 0 || n > int64(t.max) || int64(u) < 0 {
		return 0, t.badLength(r, u, n)
	}
	return int(n), nil
}

func (t *textOp) badLength(r *Reader, u uint64, n int64) error {
	at := r.Offset() - int64(t.op.width())
	if n < 0 && int64(u) >= 0 {
		return r.Within("length", r.Fail(at, because(ErrMalformed, "a length of %d, where %d is the least", u, t.adjust)))
	}
	return r.Within("length", r.Fail(at, tooLarge("a length", u, t.max)))
}

// decode returns the next text, owned. What follows the first lines is for text that is not at hand, or not right.
func (t *textOp) decode(r *Reader) (string, error) {
	if p := r.buf[r.pos:]; len(p) >= t.width {
		n := int(t.op.load(p)) - t.adjust
		if p = p[t.width:]; uint(n) <= uint(min(t.max, len(p))) && (!t.utf8 || utf8.Valid(p[:n])) {
			r.pos += t.width + n
			return ownedString(r.clone(p[:n])), nil
		}
	}
	n, err := t.open(r)
	if err != nil {
		return "", err
	}
	at := r.Offset()
	s, err := r.Text(n)
	if err == nil && t.utf8 && !utf8.ValidString(s) {
		return "", r.Fail(at+int64(invalidIndex(s)), because(ErrMalformed, "text that is not UTF-8"))
	}
	return s, err
}

// append appends a text.
func (t *textOp) append(dst []byte, s string) ([]byte, error) {
	if len(s) > t.max || len(s)+t.adjust < 0 {
		return dst, tooLarge("a length", uint64(len(s)), t.max)
	}
	if t.utf8 && !utf8.ValidString(s) {
		return dst, because(ErrMalformed, "text that is not UTF-8, at index %d", invalidIndex(s))
	}
	return append(t.op.store(dst, uint64(len(s)+t.adjust)), s...), nil
}
