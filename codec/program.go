package codec

import (
	"math"
	"slices"
	"unicode/utf8"
)

// program is a compiled record: its steps in wire order.
type program struct {
	steps    []step
	size     Size
	flat     bool    // it has only numbers and texts
	user     bool    // it may run functions of the user
	fixed    int     // bytes of the numbers and of the lengths of texts
	room     int     // fixed if write can encode it, for which it is flat and has no numbers of 24 bits; else MaxInt
	textLast bool    // so it is, and the last field is a text
	lastText uintptr // where that lies in the struct
	plain    *run    // the only run, if the record is numbers that need no checks
	bodied   bool    // the last field may end in a body that is not copied
	tailed   bool    // the last fields are optional
}

// step is a run of numbers, possibly empty, and the field after it, if any: a text, or a field of another kind.
type step struct {
	run    run
	name   string  // of the field after the run, like the following
	base   uintptr // where its record lies in the struct
	offset uintptr // where it lies in its record
	at     uintptr // base + offset
	text   *text   // how call is moved directly, if it is a text
	call   caller
	tail   bool  // it and all fields after it may be missing
	next   *step // for write
}

// caller encodes and decodes one field of a record by its codec.
type caller interface {
	append(dst []byte, record place, offset uintptr, split bool) (head, body []byte, err error)
	decode(r *Reader, record place, offset uintptr) error
	opens(record place, offset uintptr) bool
	callsUser() bool
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

// callsUser reports whether it may run functions of the user.
func (c call[F]) callsUser() bool { return c.by != nil || callsUser(quickIn(c.c)) }

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

// open reports whether another field can be added to s.
func (s *step) open() bool { return s.call == nil }

// last returns the step that takes the next field.
func (p *program) last() *step {
	if n := len(p.steps); n == 0 || !p.steps[n-1].open() {
		p.steps = append(p.steps, step{})
	}
	return &p.steps[len(p.steps)-1]
}

// compile prepares p, to which all fields have been added. size is the size of the struct.
func (p *program) compile(size uintptr) {
	p.flat = true
	atOnce := size >= 8 && !hostIsBigEndian
	for i := range p.steps {
		s := &p.steps[i]
		s.at = s.base + s.offset
		s.run.compile()
		if s.text != nil {
			s.run.room += s.text.length.op.width()
		}
		p.fixed += s.run.room
		called := s.call != nil && s.text == nil
		p.flat = p.flat && !called
		p.user = p.user || called && s.call.callsUser()
		atOnce = atOnce && len(s.run.odd) == 0
		if i > 0 {
			p.steps[i-1].next = s
		}
	}
	if p.room = math.MaxInt; p.flat && atOnce {
		p.room = p.fixed
		p.compileWide(size)
	}
	last := &p.steps[len(p.steps)-1]
	p.textLast, p.lastText = last.text != nil && p.room < math.MaxInt, last.at
	p.bodied = last.call != nil && (last.text == nil || last.text.bytes)
	if len(p.steps) == 1 && last.open() && len(last.run.bools)+len(last.run.odd) == 0 {
		p.plain = &last.run
	}
}

// compileWide prepares write.
func (p *program) compileWide(size uintptr) {
	left := uintptr(p.fixed)
	for i := range p.steps {
		s, t := &p.steps[i], op(0)
		if s.text != nil {
			t = s.text.length.op
		}
		s.run.compileWide(t, s.at, size, left)
		left -= uintptr(s.run.room)
	}
}

// appendTo appends the struct at v.
func (p *program) appendTo(dst []byte, v place) ([]byte, error) {
	if n := p.plain; n != nil {
		start := len(dst)
		dst = withRoom(dst, n.width)[:start+n.width]
		n.out.write(dst[start:], v)
		return dst, nil
	}
	left := p.write(dst, v)
	if left < 0 && p.room < math.MaxInt {
		dst = withRoom(dst, p.need(v))
		left = p.write(dst, v)
	}
	if left >= 0 {
		return dst[:cap(dst)-left], nil
	}
	dst, _, err := p.append(dst, v.hidden(), false)
	return dst, err
}

// append appends the struct at v, which is hidden. If split is set, the body that the last field ends in is returned
// and not copied.
func (p *program) append(dst []byte, v place, split bool) (head, body []byte, err error) {
	missing := ""
	for i := range p.steps {
		s := &p.steps[i]
		if len(s.run.odd) > 0 {
			if err := s.run.check24(v); err != nil {
				return dst, nil, err
			}
		}
		start := len(dst)
		dst = withRoom(dst, s.run.room)[:start+s.run.width]
		s.run.store(dst[start:], v)
		if s.call == nil {
			break
		}
		dst, body, err = s.call.append(dst, v.at(s.base), s.offset, split && i == len(p.steps)-1)
		if nothing := len(dst)+len(body) == start+s.run.width; err == nil && missing != "" && !nothing {
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

// need returns the encoded size of a flat struct.
func (p *program) need(v place) int {
	n := p.fixed
	for i := range p.steps {
		if s := &p.steps[i]; s.text != nil {
			n += min(len(*valueAt[string](v.at(s.at))), s.text.max)
		}
	}
	return n
}

// decode decodes into the struct at v, which is hidden.
func (p *program) decode(r *Reader, v place) (err error) {
	for i := range p.steps {
		s := &p.steps[i]
		if err := s.run.decode(r, v); err != nil {
			return err
		}
		if s.call == nil {
			break
		}
		if err := s.call.decode(r, v.at(s.base), s.offset); err != nil {
			return r.WrapField(s.name, err)
		}
	}
	return nil
}

// decodeFlat decodes a flat struct from b into the struct at v. It fails if the struct is incomplete or invalid. own
// copies the texts.
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

// text is a string or []byte after a length of fixed width.
type text struct {
	length *Length
	max    int  // that of length
	utf8   bool // it must be UTF-8
	bytes  bool // it is a []byte
}

// lend returns the text at the start of p. It fails if the text is incomplete or invalid.
func (t *text) lend(p []byte) ([]byte, bool) {
	n, ok := t.length.peek(p)
	if !ok || n > len(p)-t.length.width {
		return nil, false
	}
	p = p[t.length.width:]
	return p[:n:n], !t.utf8 || utf8.Valid(p[:n])
}

// set stores p, which the value owns, as the text at at.
func (t *text) set(at place, p []byte) {
	if t.bytes {
		*valueAt[[]byte](at) = p
	} else {
		*valueAt[string](at) = ownedString(p)
	}
}

// withRoom returns dst with room for n more bytes after it.
func withRoom(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		return grown(dst, n)
	}
	return dst
}

// grown is not inlined, since its callers rarely need it.
//
//go:noinline
func grown(dst []byte, n int) []byte { return slices.Grow(dst, n) }
