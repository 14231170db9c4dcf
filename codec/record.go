package codec

// Record is the given fields of a T, in order. It suits any Go struct.
//
//	var point = codec.Record(
//		codec.Field("x", func(p *Point) *int16 { return &p.X }, codec.Int16),
//		codec.Field("y", func(p *Point) *int16 { return &p.Y }, codec.Int16),
//		codec.Field("name", func(p *Point) *string { return &p.Name }, codec.Prefixed(codec.Uint8, codec.String)))
//
//	Point{X: 1, Y: -2, Name: "ab"}:
//	| 00 | 01 | ff | fe | 02 | 61 | 62 |
//
// Record calls each accessor once, to find the field's place in T, and compiles the fields: successive numbers are
// moved by a table. It uses no reflection. A field may itself be a Record.
func Record[T any](fields ...FieldOf[T]) Codec[T] {
	refuse(len(fields) == 0, "Record: at least one Field is needed; for none, use Empty")
	var p program
	for i, f := range fields {
		refuse(f.field.call == nil && f.field.op == 0, "Record: field %d was not made by Field or Literal", i)
		follows := i < len(fields)-1
		refuse(follows && f.field.size.Open && !f.field.tail,
			"Record: the field %q takes all bytes up to the end, and others follow it; put Prefixed, Delimited or Exactly around it", f.field.name)
		if follows && f.field.end != nil {
			f.field.call = f.field.end
			if f.field.size.varies {
				f.field.part = nil // its own last field does not know that others follow
			}
		}
		refuse(i > 0 && fields[i-1].field.tail && !f.field.size.Open, "Record: the field %q follows an OptionalTail and would be taken for it; make it an OptionalTail too", f.field.name)
		p.add(f.field)
	}
	return compiled[T](&p)
}

// FieldOf is one field of a [Record]. It is made by [Field], [FieldIf], [FieldBy] or [Literal].
type FieldOf[T any] struct{ field field }

// Field is the field of T that access returns a pointer to. The field must lie within the T itself, at the same place
// in every T, so access must not depend on the values in T. Errors contain the name. Several fields at the end may be
// an [OptionalTail]; those up to the first nil are sent.
func Field[T, F any](name string, access func(*T) *F, c Codec[F]) FieldOf[T] {
	notNil(c, "Field "+name)
	return FieldOf[T]{newField(name, fieldOffset(name, access), c)}
}

func fieldOffset[T, F any](name string, access func(*T) *F) uintptr {
	refuse(access == nil, "Field: the accessor of %q is nil", name)
	offset, ok := offsetOf(access)
	refuse(!ok, "Field: the accessor of %q must return a pointer into the %T it is given, such as func(v *T) *F { return &v.F }; use Map for anything else", name, *new(T))
	return offset
}

// FieldIf is a [Field] that is in the frame if when returns true. When decoding, when is called with the fields before
// it; when encoding, with the whole value. A field that is not sent must have its zero value, since the receiver gets
// that.
//
//	FieldIf("packet id", func(p *Publish) *uint16 { return &p.ID }, Uint16, func(p Publish) bool { return p.QoS > 0 })
func FieldIf[T, F any](name string, access func(*T) *F, c Codec[F], when func(T) bool) FieldOf[T] {
	notNil(c, "FieldIf "+name)
	refuse(when == nil, "FieldIf %s: the function is nil", name)
	empty := Codec[F](Empty[F]())
	f := FieldBy(name, access, func(v T) Codec[F] {
		if when(v) {
			return c
		}
		return empty
	})
	s := SizeOf(c)
	f.field.size = Size{Max: s.Max, Open: s.Open, varies: s.varies}
	return f
}

// FieldBy is a [Field] whose codec depends on the value. When decoding, choose is called with the fields before it.
// choose returns codecs built beforehand; nil is an error.
//
//	FieldBy("payload", func(m *Message) *[]byte { return &m.Payload }, func(m Message) Codec[[]byte] { return payloads[m.Kind] })
func FieldBy[T, F any](name string, access func(*T) *F, choose func(T) Codec[F]) FieldOf[T] {
	offset := fieldOffset(name, access)
	refuse(choose == nil, "FieldBy %s: the function is nil", name)
	by := func(ends bool) caller {
		return call[F]{by: func(record place) Codec[F] {
			c := choose(*valueAt[T](record))
			if c == nil {
				return noCodec[F]{errNoCodec}
			}
			if s := SizeOf(c); ends && (s.Open || s.varies) {
				return endedCodec[F]{c}
			}
			return c
		}}
	}
	return FieldOf[T]{field{name: name, offset: offset, size: unknownSize, call: by(false), end: by(true)}}
}

// noCodec stands for a codec that does not exist. It returns err.
type noCodec[F any] struct{ err error }

var errNoCodec = because(ErrMismatch, "no codec for the fields that come before")

func (c noCodec[F]) Append(dst []byte, _ F) ([]byte, error) { return dst, c.err }
func (c noCodec[F]) Decode(*Reader) (v F, err error)        { return v, c.err }
func (c noCodec[F]) Size() Size                             { return Size{Max: Unbounded} }

// Literal is a part of a [Record] without a value: a [Const] or a [Skip].
func Literal[T any](c Codec[struct{}]) FieldOf[T] {
	notNil(c, "Literal")
	return FieldOf[T]{newField("", 0, c)}
}

func compiled[T any](p *program) Codec[T] {
	p.compile(uintptr(memorySize[T]()))
	return record[T]{p}
}

// record is a compiled T.
type record[T any] struct{ program *program }

func (c record[T]) Append(dst []byte, v T) ([]byte, error) {
	return c.program.appendTo(dst, placeOf(&v))
}

func (c record[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	if !c.program.bodied {
		head, err = c.program.appendTo(dst, placeOf(&v))
		return head, nil, err
	}
	return c.program.append(dst, placeOf(&v).hidden(), true)
}

func (c record[T]) Decode(r *Reader) (v T, err error) {
	err = c.program.decode(r, placeOf(&v).hidden())
	return v, err
}

func (c record[T]) Size() Size { return c.program.size }

func (c record[T]) opensFor(v T) bool {
	if !c.program.size.varies {
		return c.program.size.Open
	}
	s := &c.program.steps[len(c.program.steps)-1]
	return s.call != nil && s.call.opens(placeOf(&v).hidden().at(s.base), s.offset)
}

func (c record[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	return c.program.decodeFlat(p, own, placeOf(v))
}

// inner returns the program, so that a Record in a Record becomes a part of it.
func (c record[T]) inner() *program { return c.program }

// field is one part of a program, before it is compiled.
type field struct {
	name   string
	offset uintptr // in the struct
	size   Size
	op     op       // a number of fixed width
	text   *text    // of call, if it is bytes or a text after its length
	call   caller   // anything else
	end    caller   // call, where others follow
	part   *program // a Record
	tail   bool     // an OptionalTail
}

// textual is implemented by codecs that may be a text.
type textual interface{ text() *text }

func (p *prefixed[T]) text() *text {
	if o := p.length.op; o == 0 || o.width() == 3 || o.width() > 4 || p.length.adjust != 0 {
		return nil
	}
	switch body := underlying(p.body.Codec).(type) {
	case textCodec:
		if body.charset != "ASCII" {
			return &text{length: p.length, max: p.length.max, utf8: body.invalid != nil}
		}
	case bytesCodec:
		return &text{length: p.length, max: p.length.max, bytes: true}
	}
	return nil
}

// newField returns the form of c that can be compiled.
func newField[F any](name string, offset uintptr, c Codec[F]) field {
	f := field{name: name, offset: offset, size: SizeOf(c)}
	bare := underlying(c)
	if p, ok := bare.(primitive); ok {
		f.op = p.operation()
		return f
	}
	if t, ok := bare.(textual); ok {
		f.text = t.text()
	}
	if in, ok := bare.(interface{ inner() *program }); ok && !in.inner().tailed {
		f.part = in.inner()
	}
	f.call, f.end = call[F]{c: c}, call[F]{c: c}
	if f.size.varies {
		f.end = call[F]{c: endedCodec[F]{c}}
	}
	_, f.tail = bare.(interface{ isTail() })
	return f
}
