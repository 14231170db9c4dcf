package codec

import (
	"slices"
	"unicode/utf8"
)

// program is a compiled record: steps in the order of their bytes.
type program struct {
	steps  []step
	size   Size
	flat   bool // there is nothing but numbers and texts
	atOnce bool // no numbers of 24 bits either, which may not fit
	fixed  int  // bytes without those of the texts and of what calls encode
	plain  *run // all there is, if that is numbers of which nothing is to be checked
	bodied bool // the last field may end in a body that is not copied
	tailed bool // there are optional fields at the end, which are sent up to the first that is missing
}

// step is numbers, or none, and what follows them if anything does: a text, or any other field.
type step struct {
	run    run
	name   string  // of what follows, like the rest
	base   uintptr // where its record lies in the struct
	offset uintptr // where it lies in its record
	at     uintptr // base + offset
	text   *text
	call   caller
	tail   bool // it may be missing, with all that follow it
}

// caller encodes and decodes one field of a record by its codec.
type caller interface {
	append(dst []byte, record place, offset uintptr, split bool) (head, body []byte, err error)
	decode(r *Reader, record place, offset uintptr) error
	opens(record place, offset uintptr) bool
}

// call is the caller of a codec, or of one that depends on the record.
type call[F any] struct {
	c  Codec[F]
	by func(record place) Codec[F]
}

func (c call[F]) codec(record place) Codec[F] {
	if c.by != nil {
		return c.by(record)
	}
	return c.c
}

func (c call[F]) append(dst []byte, record place, offset uintptr, split bool) (head, body []byte, err error) {
	if split {
		return appendHead(c.codec(record), dst, *valueAt[F](record.at(offset)))
	}
	head, err = c.codec(record).Append(dst, *valueAt[F](record.at(offset)))
	return head, nil, err
}

func (c call[F]) decode(r *Reader, record place, offset uintptr) (err error) {
	*valueAt[F](record.at(offset)), err = c.codec(record).Decode(r)
	return err
}

func (c call[F]) opens(record place, offset uintptr) bool {
	return opens(c.codec(record), *valueAt[F](record.at(offset)))
}

// add compiles one more field.
func (p *program) add(f field) {
	p.size = p.size.plus(f.size)
	p.tailed = p.tailed || f.tail
	switch {
	case f.part != nil:
		for i := range f.part.steps {
			p.addStep(&f.part.steps[i], f.name, f.offset)
		}
	case f.op != 0:
		p.last().run.add(f.name, f.op, f.offset)
	default:
		s := p.last()
		s.name, s.offset, s.text, s.call, s.tail = f.name, f.offset, f.text, f.call, f.tail
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
	if s.name == "" {
		name = ""
	}
	to := p.last()
	to.name, to.base, to.offset = joinPath(name, s.name), offset+s.base, s.offset
	to.text, to.call = s.text, s.call
}

// open reports whether more can be added to s.
func (s *step) open() bool { return s.text == nil && s.call == nil }

// last returns the step that the next field belongs to.
func (p *program) last() *step {
	if n := len(p.steps); n == 0 || !p.steps[n-1].open() {
		p.steps = append(p.steps, step{})
	}
	return &p.steps[len(p.steps)-1]
}

// compile ends the adding of fields.
func (p *program) compile() {
	p.flat, p.atOnce = true, true
	for i := range p.steps {
		s := &p.steps[i]
		s.at = s.base + s.offset
		s.run.compile()
		if s.text != nil {
			s.run.addLength(s.text.length.op, s.at)
		}
		p.fixed += s.run.room
		p.flat = p.flat && s.call == nil
		p.atOnce = p.atOnce && s.call == nil && len(s.run.odd) == 0
	}
	last := &p.steps[len(p.steps)-1]
	p.bodied = last.call != nil || last.text != nil && last.text.bytes
	if len(p.steps) == 1 && last.open() && len(last.run.bools)+len(last.run.odd) == 0 {
		p.plain = &last.run
	}
}

// appendFlat appends the struct at v if it can be written at once.
func (p *program) appendFlat(dst []byte, v place) (_ []byte, ok bool) {
	if !p.atOnce {
		return dst, false
	}
	n := p.write(dst[len(dst):cap(dst)], v)
	if n == 0 {
		dst = withRoom(dst, p.need(v, 0))
		n = p.write(dst[len(dst):cap(dst)], v)
	}
	return dst[:len(dst)+n], n > 0
}

// append appends the struct at v. With split the body that its last field ends in is not copied.
func (p *program) append(dst []byte, v place, split bool) (head, body []byte, err error) {
	missing := ""
	for i := range p.steps {
		s := &p.steps[i]
		if len(s.run.odd) > 0 {
			if err := s.run.check24(v); err != nil {
				return dst, nil, err
			}
		}
		text := ""
		if s.text != nil {
			text = *valueAt[string](v.at(s.at))
			if !s.text.fits(text) {
				return dst, nil, WrapField(s.name, s.text.wrong(text))
			}
			if split && s.text.bytes && i == len(p.steps)-1 {
				body, text = bytesOf(text), ""
			}
		}
		start, need := len(dst), s.run.room+len(text)
		if cap(dst)-start < need {
			dst = grown(dst, p.need(v, i))
		}
		dst = dst[:start+need]
		s.run.store(dst[start:], v)
		copy(dst[start+s.run.room:], text)
		if s.call == nil {
			continue
		}
		dst, body, err = s.call.append(dst, v.at(s.base), s.offset, split && i == len(p.steps)-1)
		if nothing := len(dst)+len(body) == start+need; err == nil && missing != "" && !nothing {
			err = because(ErrMalformed, "field follows %q, which is missing", missing)
		} else if s.tail && nothing && missing == "" {
			missing = s.name
		}
		if err != nil {
			return dst, nil, WrapField(s.name, err)
		}
	}
	return dst, body, nil
}

// need returns how many bytes the steps from i on take, without those of calls.
func (p *program) need(v place, i int) (n int) {
	for ; i < len(p.steps); i++ {
		n += p.steps[i].run.room
		if text := p.steps[i].text; text != nil {
			n += min(len(*valueAt[string](v.at(p.steps[i].at))), text.length.max)
		}
	}
	return n
}

// decode fills the struct at v.
func (p *program) decode(r *Reader, v place) (err error) {
	for i := range p.steps {
		s := &p.steps[i]
		if err := s.run.decode(r, v); err != nil {
			return err
		}
		switch {
		case s.text != nil:
			err = s.text.decode(r, v.at(s.at))
		case s.call != nil:
			err = s.call.decode(r, v.at(s.base), s.offset)
		}
		if err != nil {
			return r.WrapField(s.name, err)
		}
	}
	return nil
}

// decodeFlat is decode of a flat program from what is at hand, if it is all there and right. own makes the copies.
func (p *program) decodeFlat(b []byte, own cloner, v place) (n int, ok bool) {
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
		s.text.set(v.at(s.at), clone(own, text))
		rest = rest[s.text.length.width+len(text):]
	}
	return len(b) - len(rest), true
}

// text is a string or []byte after its length, a number of fixed width.
type text struct {
	length *Length
	utf8   bool // it must be UTF-8
	bytes  bool // it is a []byte
}

// lend returns the text at the start of p, and false if it is not whole or not right.
func (t *text) lend(p []byte) ([]byte, bool) {
	n, ok := t.length.peek(p)
	if !ok || n > len(p)-t.length.width {
		return nil, false
	}
	p = p[t.length.width:]
	return p[:n:n], !t.utf8 || utf8.Valid(p[:n])
}

// set puts p, which is owned, where a text belongs.
func (t *text) set(at place, p []byte) {
	if t.bytes {
		*valueAt[[]byte](at) = p
	} else {
		*valueAt[string](at) = ownedString(p)
	}
}

// decode reads a text.
func (t *text) decode(r *Reader, at place) error {
	n, err := t.length.Decode(r)
	if err != nil {
		return err
	}
	if t.utf8 {
		*valueAt[string](at), err = r.UTF8(n)
		return err
	}
	p, err := r.Bytes(n)
	if err == nil {
		t.set(at, p)
	}
	return err
}

// fits reports whether s, a string or the first two words of a []byte, can be sent.
func (t *text) fits(s string) bool { return t.length.fits(len(s)) && (!t.utf8 || utf8.ValidString(s)) }

// wrong returns why s does not fit.
func (t *text) wrong(s string) error {
	if t.utf8 && !utf8.ValidString(s) {
		return because(ErrMalformed, "invalid UTF-8 at index %d", invalidIndex(s))
	}
	_, err := t.length.wire(len(s))
	return err
}

// withRoom returns dst with room for n more bytes after it.
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
