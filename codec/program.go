package codec

import "unicode/utf8"

// program is a compiled record: steps in the order of their bytes.
type program struct {
	steps []step
	size  Size
	flat  bool // there is nothing but numbers and texts
	fixed int  // then: bytes without those of the texts
	plain *run // all there is, if that is numbers of which nothing is to be checked
}

// step is numbers, or none, and what follows them if anything does: a text, or any other field.
type step struct {
	run    run
	name   string // of what follows, like the rest
	offset uintptr
	text   *textOp
	call   caller
}

// add compiles one more field.
func (p *program) add(f field) {
	p.size = p.size.plus(f.size)
	switch {
	case f.part != nil:
		for i := range f.part.steps {
			p.addStep(&f.part.steps[i], f.name, f.offset)
		}
	case f.op != 0:
		p.last().run.add(f.name, f.op, f.offset)
	default:
		p.last().follow(f.name, f.offset, f.text, f.call)
	}
}

// addStep adds a step of a record that lies at offset in this one.
func (p *program) addStep(s *step, name string, offset uintptr) {
	for _, n := range s.run.numbers {
		p.last().run.add(joinPath(name, n.name), n.op, offset+n.offset)
	}
	if s.open() {
		return
	}
	if s.name != "" {
		name = joinPath(name, s.name)
	} else {
		name = ""
	}
	p.last().follow(name, offset+s.offset, s.text, s.call)
}

// open reports whether more can be added to s.
func (s *step) open() bool { return s.text == nil && s.call == nil }

func (s *step) follow(name string, offset uintptr, text *textOp, call caller) {
	s.name, s.offset, s.text, s.call = name, offset, text, call
}

// last returns the step that the next field belongs to.
func (p *program) last() *step {
	if n := len(p.steps); n == 0 || !p.steps[n-1].open() {
		p.steps = append(p.steps, step{})
	}
	return &p.steps[len(p.steps)-1]
}

// compile ends the adding of fields.
func (p *program) compile() {
	p.flat = true
	for i := range p.steps {
		s := &p.steps[i]
		s.run.compile()
		p.fixed += s.run.width
		if s.text != nil {
			p.fixed += s.text.width
		}
		p.flat = p.flat && s.call == nil
	}
	if len(p.steps) != 1 {
		return
	}
	if s := &p.steps[0]; s.open() && len(s.run.bools)+len(s.run.odd) == 0 {
		p.plain = &s.run
	}
}

// open reads the length of a text.
func (t *textOp) open(r *Reader) (int, error) {
	w := t.op.width()
	p, err := r.Next(w)
	if err != nil {
		return 0, r.WrapField("length", err)
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
		return r.WrapField("length", r.Fail(at, because(ErrMalformed, "a length of %d, where %d is the least", u, t.adjust)))
	}
	return r.WrapField("length", r.Fail(at, tooLarge("a length", u, t.max)))
}

// lend returns the text at the start of p, and false if it is not whole or not right.
func (t *textOp) lend(p []byte) ([]byte, bool) {
	if len(p) < t.width {
		return nil, false
	}
	n := int(t.op.load(p)) - t.adjust
	if p = p[t.width:]; uint(n) > uint(min(t.max, len(p))) {
		return nil, false
	}
	return p[:n:n], !t.utf8 || utf8.Valid(p[:n])
}

// decode returns the next text, owned. What follows the first lines is for text that is not at hand, or not right.
func (t *textOp) decode(r *Reader) (string, error) {
	if p, ok := t.lend(r.buf[r.pos:]); ok {
		r.pos += t.width + len(p)
		return ownedString(r.clone(p)), nil
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

// fits reports whether append would not fail.
func (t *textOp) fits(s string) bool {
	return len(s) <= t.max && len(s)+t.adjust >= 0 && (!t.utf8 || utf8.ValidString(s))
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
