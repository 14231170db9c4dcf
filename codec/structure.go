package codec

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Struct is the exported fields of a struct type in order, as their tags say. The tags are read once, and the codec is
// the same as [Record] makes: reflection plays no part when a frame is encoded or decoded, but for the allocation of
// slices. What no tag can say, Record can.
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
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//	| ca | fe | 01 | 02 | 00 | 00 | 00 | 03 | 01 | 61 | 00 | 00 | 00 | 00 |
//	+----+----+----+----+----+----+----+----+----+----+----+----+----+----+
//
// Numbers are big-endian unless "le" is given. Structs and arrays within are their fields one behind the other. A string
// or []byte has its length in front, len=u8, u16, u32 or with an le behind, or is the rest of the frame; max bounds it. A
// string is UTF-8 unless "raw" is given. Other slices have the number of their values in front, count=, with the same
// names. A field that is not to be in the frame has the tag "-". Types that have no one size, such as int, and all others
// are refused when the codec is built.
func Struct[T any]() Codec[T] {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("codec: Struct: %v is not a struct", t))
	}
	p := &program{}
	p.addStruct(t.String(), "", t, 0)
	if len(p.steps) == 0 {
		panic(fmt.Sprintf("codec: Struct: %v has no fields that are in the frame", t))
	}
	return compiled[T](p)
}

// addStruct compiles the fields of a struct that lies at offset. where is for panics, name for errors.
func (p *program) addStruct(where, name string, t reflect.Type, offset uintptr) {
	if strings.Count(where, ".") > MaxDepth {
		panic(fmt.Sprintf("codec: Struct: %v contains itself; use Recursive and Record", t))
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := parseTag(where+"."+f.Name, f.Tag.Get("wire"))
		if tag.omit || !f.IsExported() && f.Name != "_" {
			continue
		}
		if p.size.Open {
			panic(fmt.Sprintf("codec: Struct: %s comes behind a field that takes the rest of the frame", tag.where))
		}
		if f.Name == "_" {
			p.addBlank(tag)
			continue
		}
		inner := f.Name
		if name != "" {
			inner = name + "." + f.Name
		}
		p.addValue(inner, tag, f.Type, offset+f.Offset)
		tag.done()
	}
}

// addBlank compiles a field without a value.
func (p *program) addBlank(tag *tag) {
	var c Codec[struct{}]
	if text, ok := tag.take("const"); ok {
		raw, err := hex.DecodeString(text)
		if err != nil || text == "" {
			panic(fmt.Sprintf("codec: Struct: %s: const=%s is not hexadecimal", tag.where, text))
		}
		c = Const(string(raw))
	} else {
		c = Skip(tag.number("skip", 0))
	}
	tag.done()
	p.add(field{size: SizeOf(c), call: literal{c}})
}

// addValue compiles a value of type t that lies at offset.
func (p *program) addValue(name string, tag *tag, t reflect.Type, offset uintptr) {
	if o := tag.numberOp(t); o != 0 {
		p.add(field{name: name, offset: offset, size: Size{Min: o.width(), Max: o.width()}, op: o})
		return
	}
	switch kind := t.Kind(); {
	case kind == reflect.Struct:
		p.addStruct(tag.where, name, t, offset)
	case kind == reflect.Array:
		for i := range t.Len() {
			p.addValue(fmt.Sprintf("%s[%d]", name, i), tag, t.Elem(), offset+uintptr(i)*t.Elem().Size())
		}
	case kind == reflect.String, kind == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		p.addText(name, tag, t, offset)
	case kind == reflect.Slice:
		p.addSlice(name, tag, t, offset)
	default:
		panic(fmt.Sprintf("codec: Struct: %s: %v has no fixed encoding; use a type of a fixed size, or Record with a codec for it", tag.where, t))
	}
}

func (p *program) addText(name string, tag *tag, t reflect.Type, offset uintptr) {
	text := t.Kind() == reflect.String
	raw := tag.word("raw")
	if tag.word("rest") {
		f := field{name: name, offset: offset, size: openSize}
		switch {
		case !text:
			f.call = callOf(Bytes)
		case raw:
			f.call = callOf(RawString)
		default:
			f.call = callOf(String)
		}
		p.add(f)
		return
	}
	length := tag.lengthOp("len", DefaultMax)
	length.utf8, length.bytes = text && !raw, !text
	p.add(field{name: name, offset: offset, size: Size{Min: length.width, Max: length.width + length.max}, text: &length})
}

func (p *program) addSlice(name string, tag *tag, t reflect.Type, offset uintptr) {
	s := &slice{count: tag.lengthOp("count", DefaultMaxCount), elem: &program{}, of: t, size: t.Elem().Size()}
	s.elem.addValue("", tag, t.Elem(), 0)
	s.elem.compile()
	if s.elem.size.Open || s.elem.size.Min == 0 {
		panic(fmt.Sprintf("codec: Struct: %s: its values have no end of their own", tag.where))
	}
	most := addBound(s.count.width, timesBound(s.elem.size.Max, s.count.max))
	p.add(field{name: name, offset: offset, size: Size{Min: s.count.width, Max: most}, call: s})
}

// tag is a tag that is being read: what is taken from it must be all that is in it.
type tag struct {
	where string
	omit  bool
	parts map[string]string
	used  map[string]bool
}

func parseTag(where, text string) *tag {
	t := &tag{where: where, omit: text == "-", parts: map[string]string{}, used: map[string]bool{}}
	for part := range strings.SplitSeq(text, ",") {
		if key, value, _ := strings.Cut(part, "="); key != "" {
			t.parts[key] = value
		}
	}
	return t
}

func (t *tag) take(key string) (value string, ok bool) {
	t.used[key] = true
	value, ok = t.parts[key]
	return value, ok
}

func (t *tag) word(key string) bool {
	_, ok := t.take(key)
	return ok
}

func (t *tag) number(key string, otherwise int) int {
	text, ok := t.take(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("codec: Struct: %s: %s=%s is not a number of at least 1", t.where, key, text))
	}
	return n
}

// done panics if something in the tag was not understood.
func (t *tag) done() {
	for key := range t.parts {
		if !t.used[key] {
			panic(fmt.Sprintf("codec: Struct: %s: the tag has %q, which means nothing for this field", t.where, key))
		}
	}
}

// lengthOps are the numbers that lengths and counts may be.
var lengthOps = map[string]op{
	"u8": op8, "u16": op16, "u16le": op16LE, "u24": op24, "u24le": op24LE, "u32": op32, "u32le": op32LE,
}

func (t *tag) lengthOp(key string, most int) textOp {
	name, ok := t.take(key)
	o := lengthOps[name]
	if !ok || o == 0 {
		panic(fmt.Sprintf("codec: Struct: %s needs a tag such as `wire:\"%s=u16\"`: u8, u16, u24 or u32, with le behind for little-endian", t.where, key))
	}
	most = int(min(uint64(most), 1<<(8*o.width())-1))
	return textOp{op: o, width: o.width(), max: min(t.number("max", most), most)}
}

// numberOp returns how a number is encoded, or 0 if t is none.
func (t *tag) numberOp(of reflect.Type) op {
	kind := of.Kind()
	le, narrow := 0, false
	if kind >= reflect.Int8 && kind <= reflect.Float64 && kind != reflect.Uintptr {
		if t.word("le") {
			le = 1
		}
		t.take("be")
	}
	if kind == reflect.Int32 || kind == reflect.Uint32 {
		narrow = t.number("bits", 32) == 24
	}
	switch kind {
	case reflect.Bool:
		return opBool
	case reflect.Int8, reflect.Uint8:
		return op8
	case reflect.Int16, reflect.Uint16:
		return op16 + op(le)
	case reflect.Int32:
		if narrow {
			return opInt24 + op(le)
		}
		return op32 + op(le)
	case reflect.Uint32:
		if narrow {
			return op24 + op(le)
		}
		return op32 + op(le)
	case reflect.Float32:
		return op32 + op(le)
	case reflect.Int64, reflect.Uint64, reflect.Float64:
		return op64 + op(le)
	}
	return 0
}
