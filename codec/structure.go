package codec

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Struct is the exported fields of a struct type in order, encoded as their tags say. The tags are read once. The codec
// is that of a [Record], so encoding and decoding use no reflection, except to allocate slices. Use Record for what
// tags cannot express.
//
//	type Packet struct {
//		_       struct{} `wire:"const=cafe"`
//		Version uint8
//		Flags   uint16   `wire:"le"`
//		Size    uint32   `wire:"bits=24"`
//		Name    string   `wire:"len=u8"`
//		Points  []Point  `wire:"count=u16,max=100"`
//		_       struct{} `wire:"skip=2"`
//		Extra   []byte   `wire:"rest"`
//		cache   int      // not exported: not in the frame
//	}
//
//	Packet{Version: 1, Flags: 2, Size: 3, Name: "a"}:
//	| ca | fe | 01 | 02 | 00 | 00 | 00 | 03 | 01 | 61 | 00 | 00 | 00 | 00 |
//
// Numbers are big-endian unless the tag has "le", or with [LittleEndian] unless it has "be". Nested structs and arrays
// are their fields in order. A string or []byte follows its length, which is len=u8, u16, u24 or u32, optionally with
// le or be appended for its order; "rest" makes it the rest of the frame, and max bounds it. A string is UTF-8 unless
// the tag has "raw". Other slices follow the count of their values, count=, with the same names; a slice of strings has
// both, as in count=u8,len=u16. A field with the tag "-" is not in the frame. Struct panics for types without a fixed
// size, such as int, for types without exported fields, such as time.Time, and for tags that do not apply to their
// field.
func Struct[T any](opts ...StructOption) Codec[T] {
	t := reflect.TypeFor[T]()
	refuse(t.Kind() != reflect.Struct, "Struct: %v is not a struct", t)
	b := structure{program: &program{}}
	for _, opt := range opts {
		opt(&b)
	}
	refuse(b.addStruct(t.String(), "", t, 0) == 0, "Struct: %v has no exported fields", t)
	return compiled[T](b.program)
}

// StructOption is an option of [Struct].
type StructOption func(*structure)

// LittleEndian makes all numbers and lengths of a [Struct] little-endian unless their tag says otherwise.
func LittleEndian() StructOption { return func(b *structure) { b.little = true } }

// structure is a program that is being made of a struct.
type structure struct {
	*program
	little bool
}

// addStruct compiles the fields of a struct that lies at offset, and returns how many are in the frame. where is for
// panics, name for errors.
func (b structure) addStruct(where, name string, t reflect.Type, offset uintptr) (fields int) {
	refuse(strings.Count(where, ".") > MaxDepth, "Struct: %v contains itself; use Recursive and Record", t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag := parseTag(where+"."+f.Name, f.Tag.Get("wire"))
		if tag.omit {
			continue
		}
		inside := f.IsExported() || f.Name == "_" || f.Anonymous && f.Type.Kind() == reflect.Struct
		tag.refuse(!inside && len(tag.parts) > 0, "the field is not exported, so it is not in the frame")
		if !inside {
			continue
		}
		fields++
		tag.refuse(b.size.Open, "the field follows one that takes the rest of the frame")
		if f.Name == "_" {
			b.addBlank(name, tag)
			continue
		}
		b.addValue(joinPath(name, f.Name), tag, f.Type, offset+f.Offset)
		tag.done()
	}
	return fields
}

// addBlank compiles a field without a value, in a struct that is called name in errors.
func (b structure) addBlank(name string, tag *tag) {
	var c Codec[struct{}]
	if text, ok := tag.take("const"); ok {
		raw, err := hex.DecodeString(text)
		tag.refuse(err != nil || text == "", "const=%s is not hexadecimal", text)
		c = Const(string(raw))
	} else if n := tag.number("skip", 0); n > 0 {
		c = Skip(n)
	} else {
		tag.refuse(true, "a field named _ needs a tag: const= with the bytes, skip= with their number, or -")
	}
	tag.done()
	b.add(newField(name, 0, c))
}

// addValue compiles a value of type t that lies at offset.
func (b structure) addValue(name string, tag *tag, t reflect.Type, offset uintptr) {
	if o := tag.numberOp(t, b.little); o != 0 {
		b.add(field{name: name, offset: offset, size: Size{Min: o.width(), Max: o.width()}, op: o})
		return
	}
	switch kind := t.Kind(); {
	case kind == reflect.Struct:
		tag.refuse(b.addStruct(tag.where, name, t, offset) == 0, "%v has no exported fields; use Record with a codec for it", t)
	case kind == reflect.Array && t.Len() > 0:
		for i := range t.Len() {
			b.addValue(name+index(i), tag, t.Elem(), offset+uintptr(i)*t.Elem().Size())
		}
	case kind == reflect.String, kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		b.addText(name, tag, t, offset)
	case kind == reflect.Slice:
		b.addSlice(name, tag, t, offset)
	default:
		tag.refuse(true, "%v has no fixed encoding; use a type of a fixed size, or Record with a codec for it", t)
	}
}

func (b structure) addText(name string, tag *tag, t reflect.Type, offset uintptr) {
	isText, rest := t.Kind() == reflect.String, tag.word("rest")
	tag.refuse(rest && b.size.Open, "only one field can take the rest of the frame")
	switch {
	case !isText:
		addText(b, name, tag, rest, offset, Bytes)
	case tag.word("raw"):
		addText(b, name, tag, rest, offset, RawString)
	default:
		addText(b, name, tag, rest, offset, String)
	}
}

func addText[T any](b structure, name string, tag *tag, rest bool, offset uintptr, c Codec[T]) {
	if !rest {
		c = newPrefixed("Struct: "+tag.where, tag.length("len", DefaultMax, b.little), c)
	}
	b.add(newField(name, offset, c))
}

func (b structure) addSlice(name string, tag *tag, t reflect.Type, offset uintptr) {
	elem := structure{&program{}, b.little}
	count := tag.length("count", DefaultMaxCount, b.little)
	elem.addValue("", tag, t.Elem(), 0)
	elem.compile(t.Elem().Size())
	tag.refuse(elem.size.Open || elem.size.Min == 0, "the values of the slice have no end of their own")
	most := addBound(count.width, timesBound(elem.size.Max, count.max))
	b.add(field{name: name, offset: offset, size: Size{Min: count.width, Max: most}, call: &slice{count, elem.program, t}})
}

// slice is a []F of a [Struct] after the count of its values. It is the only kind of field that needs reflection, to
// allocate its memory.
type slice struct {
	count *Length
	elem  *program
	of    reflect.Type // []F
}

func (s *slice) append(dst []byte, record place, offset uintptr, _ bool) (_, body []byte, err error) {
	all := record.at(offset).reflected(s.of)
	dst, err = s.count.Append(dst, all.Len())
	for i := 0; i < all.Len() && err == nil; i++ {
		if dst, _, err = s.elem.append(dst, placeOfElement(all, i), false); err != nil {
			return dst, nil, WrapField(index(i), err)
		}
	}
	return dst, nil, err
}

func (s *slice) opens(place, uintptr) bool { return false }
func (s *slice) callsUser() bool           { return s.elem.user }

func (s *slice) decode(r *Reader, record place, offset uintptr) error {
	n, err := s.count.Decode(r)
	if err != nil {
		return err
	}
	room, err := r.count(n, s.elem.size.Min, int(s.of.Elem().Size()))
	if err != nil {
		return err
	}
	all := reflect.MakeSlice(s.of, room, room)
	for i := range n {
		if i == all.Len() {
			bigger := reflect.MakeSlice(s.of, min(2*i, n), min(2*i, n))
			reflect.Copy(bigger, all)
			all = bigger
		}
		if err := s.elem.decode(r, placeOfElement(all, i)); err != nil {
			return r.WrapField(index(i), err)
		}
	}
	record.at(offset).reflected(s.of).Set(all.Slice(0, n))
	return nil
}

// tag is a parsed tag. All its parts must be used.
type tag struct {
	where string
	omit  bool
	parts map[string]string
	used  map[string]bool
}

func parseTag(where, text string) *tag {
	t := &tag{where: where, omit: text == "-", parts: map[string]string{}, used: map[string]bool{}}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		_, twice := t.parts[key]
		t.refuse(twice, "the tag has %q twice", key)
		if key != "" {
			t.parts[key] = value
		}
	}
	return t
}

// refuse panics with the place of the tag if wrong is set.
func (t *tag) refuse(wrong bool, format string, args ...any) {
	refuse(wrong, "Struct: %s: %s", t.where, fmt.Sprintf(format, args...))
}

func (t *tag) take(key string) (value string, ok bool) {
	t.used[key] = true
	value, ok = t.parts[key]
	return value, ok
}

func (t *tag) word(key string) bool {
	value, ok := t.take(key)
	t.refuse(value != "", "%q takes no value, got %q", key, value)
	return ok
}

func (t *tag) number(key string, otherwise int) int {
	text, ok := t.take(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	t.refuse(err != nil || n < 1, "%s=%s is not a number of at least 1", key, text)
	return n
}

// done panics if a part of the tag was not used.
func (t *tag) done() {
	for key := range t.parts {
		t.refuse(!t.used[key], "the tag has %q, which has no meaning for this field", key)
	}
}

// lengthOps are the numbers that lengths and counts may be, in big-endian order.
var lengthOps = map[string]op{"u8": op8, "u16": op16, "u24": op24, "u32": op32}

// length returns how a length or count is encoded.
func (t *tag) length(key string, most int, little bool) *Length {
	name, _ := t.take(key)
	o := lengthOps[strings.TrimSuffix(strings.TrimSuffix(name, "le"), "be")]
	t.refuse(o == 0 || o == op8 && name != "u8", "the field needs a tag such as `wire:\"%s=u16\"`: u8, u16, u24 or u32, optionally followed by le or be", key)
	if o != op8 && (strings.HasSuffix(name, "le") || little && !strings.HasSuffix(name, "be")) {
		o++
	}
	expressed := uint64(1)<<(8*o.width()) - 1
	bound := t.number("max", int(min(uint64(most), expressed)))
	t.refuse(uint64(bound) > expressed, "max=%d is more than %s can express", bound, name)
	return lengthOf("Struct: "+t.where, Codec[uint32](integer[uint32]{o}), bound, nil)
}

// numberOp returns how a number is encoded, or 0 if it is not a number.
func (t *tag) numberOp(of reflect.Type, little bool) op {
	o := map[reflect.Kind]op{
		reflect.Bool: opBool, reflect.Int8: op8, reflect.Uint8: op8, reflect.Int16: op16, reflect.Uint16: op16,
		reflect.Int32: op32, reflect.Uint32: op32, reflect.Float32: op32,
		reflect.Int64: op64, reflect.Uint64: op64, reflect.Float64: op64,
	}[of.Kind()]
	if o == 0 || o.width() == 1 {
		return o
	}
	if o == op32 && of.Kind() != reflect.Float32 {
		switch bits := t.number("bits", 32); {
		case bits == 24 && of.Kind() == reflect.Int32:
			o = opInt24
		case bits == 24:
			o = op24
		case bits != 32:
			t.refuse(true, "bits=%d is not 24 or 32", bits)
		}
	}
	le, be := t.word("le"), t.word("be")
	t.refuse(le && be, "the tag has both orders")
	if le || little && !be {
		o++
	}
	return o
}
