package codec

import "fmt"

// Record is the fields of a T in order. It is an ordered-map of Gloss, and any struct of Go.
//
//	type Point struct {
//		X, Y int16
//		Name string
//	}
//
//	var point = codec.Record(
//		codec.Field("x", func(p *Point) *int16 { return &p.X }, codec.Int16),
//		codec.Field("y", func(p *Point) *int16 { return &p.Y }, codec.Int16),
//		codec.Field("name", func(p *Point) *string { return &p.Name }, codec.Prefixed(codec.Uint8, codec.String)))
//
//	Point{X: 1, Y: -2, Name: "ab"}:
//	+----+----+----+----+----+----+----+
//	| 00 | 01 | ff | fe | 02 | 61 | 62 |
//	+----+----+----+----+----+----+----+
//
// The fields are compiled once: where one lies in T is asked of its accessor when the Record is built, numbers in a row
// are moved by a table, and no accessor is called for a frame. A field may itself be a Record. There is no reflection.
func Record[T any](fields ...FieldOf[T]) Codec[T] {
	if len(fields) == 0 {
		panic("codec: Record: at least one Field is needed; for none, use Empty")
	}
	var p program
	for i, f := range fields {
		if f.field.call == nil && f.field.op == 0 && f.field.text == nil {
			panic(fmt.Sprintf("codec: Record: field %d was not made by Field or Literal", i))
		}
		if i < len(fields)-1 && f.field.size.Open {
			panic(fmt.Sprintf("codec: Record: the field %q takes all bytes up to the end, and others come behind it; put Prefixed, Delimited or Exactly around it", f.field.name))
		}
		p.add(f.field)
	}
	return compiled[T](&p)
}

// FieldOf is one field of a [Record]. It is made by [Field] or [Literal].
type FieldOf[T any] struct{ field field }

// Field is the part of a T that access returns a pointer to, which lies within the T itself and is the same part of every
// T. The name appears in errors. access must not look at the values that the T holds.
func Field[T, F any](name string, access func(*T) *F, c Codec[F]) FieldOf[T] {
	notNil(c, "Field "+name)
	if access == nil {
		panic(fmt.Sprintf("codec: Field: the accessor of %q is nil", name))
	}
	offset, ok := offsetOf(access)
	if !ok {
		panic(fmt.Sprintf("codec: Field: the accessor of %q must return a pointer into the %T it is given, such as func(v *T) *F { return &v.F }; use Map for anything else", name, *new(T)))
	}
	return FieldOf[T]{newField(name, offset, c)}
}

// Literal is a part of a [Record] that is in no field: a [Const] or a [Skip].
func Literal[T any](c Codec[struct{}]) FieldOf[T] {
	notNil(c, "Literal")
	return FieldOf[T]{field{size: SizeOf(c), call: literal{c}}}
}

func compiled[T any](p *program) Codec[T] {
	p.compile()
	return record[T]{p}
}

// record is a compiled T.
type record[T any] struct{ program *program }

func (c record[T]) Append(dst []byte, v T) ([]byte, error) { return appendFrom(c.program, dst, &v) }

func (c record[T]) Decode(r *Reader) (v T, err error) {
	err = readInto(c.program, r, &v)
	return v, err
}

func (c record[T]) Size() Size { return c.program.size }

func (c record[T]) decodeQuick(p []byte, own cloner, v *T) (n int, ok bool) {
	return flatInto(c.program, p, own, v)
}

func (c record[T]) appendQuick(dst []byte, v *T) ([]byte, bool) {
	if !c.program.flat {
		return dst, false
	}
	out, err := appendFrom(c.program, dst, v)
	return out, err == nil
}

// inner returns the program, so that a Record in a Record becomes a part of it.
func (c record[T]) inner() *program { return c.program }

// field is one part of a program, before it is compiled.
type field struct {
	name   string
	offset uintptr // in the struct
	size   Size
	op     op       // a number of fixed width
	text   *textOp  // bytes or text behind their length
	call   caller   // anything else
	part   *program // a Record
}

// textOp is a string or []byte behind its length, a number of fixed width.
type textOp struct {
	op     op
	width  int // of the length
	max    int
	adjust int
	utf8   bool // it must be UTF-8
	bytes  bool // it is a []byte
}

// textual is implemented by codecs that are nothing but a textOp.
type textual interface{ textOp() *textOp }

func (p prefixed[N, T]) textOp() *textOp {
	length, ok := p.length.(primitive)
	if !ok || N(0)-1 < 0 {
		return nil // a negative length is for the codec itself to refuse
	}
	t := &textOp{op: length.operation(), width: length.operation().width(), max: p.head.max, adjust: p.head.adjust}
	switch any(p.body).(type) {
	case stringCodec:
		t.utf8 = true
	case rawCodec:
	case bytesCodec:
		t.bytes = true
	default:
		return nil
	}
	return t
}

// newField finds out how a codec can be compiled.
func newField[F any](name string, offset uintptr, c Codec[F]) field {
	f := field{name: name, offset: offset, size: SizeOf(c)}
	if p, ok := c.(primitive); ok {
		f.op = p.operation()
		return f
	}
	if t, ok := c.(textual); ok {
		if f.text = t.textOp(); f.text != nil {
			return f
		}
	}
	if in, ok := c.(interface{ inner() *program }); ok {
		f.part = in.inner()
	}
	f.call = callOf(c)
	return f
}

// literal calls a codec that has no value.
type literal struct{ c Codec[struct{}] }
