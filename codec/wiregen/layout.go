package main

import (
	"encoding/hex"
	"fmt"
	"go/types"
	"math"

	"github.com/weir-go/weir/codec"
)

// layout describes how a value is encoded: its parts in order.
type layout struct {
	parts    []part
	min, max int64 // bytes
	open     bool  // a value takes the rest of the frame
}

// part is numbers, or a field of another kind.
type part struct {
	kind    kind
	field   // unless it is numbers
	numbers []field
	width   int     // of the numbers, or of what is skipped
	length  *length // of a text or of values
	text    string  // of a constant
	utf8    bool    // the text must be
	elem    *layout // of the values
	elemOf  types.Type
}

// field is a value within another.
type field struct {
	name string     // for errors, such as Inner.X; empty for the value itself
	expr string     // follows the value, such as .Inner.X
	of   types.Type // its type
	form form       // of a number
	size int        // of a number, in bytes
	le   bool       // of a number
}

type kind int

const (
	numbers kind = iota
	text         // a string or []byte behind its length
	rest         // one up to the end of the frame
	values       // a slice behind its count
	array        // one that is not spelled out
	constant
	skipped
)

type form int

const (
	integer form = iota
	float
	boolean
	narrow // an integer of 24 bits in a field of 32
	octets // an array of bytes
)

// mostSpelled bounds the arrays that are spelled out.
const mostSpelled = 16

// unbounded is the max of a layout with no bound that an int of 32 bits holds.
const unbounded = math.MaxInt32

// add appends what lies at name and expr within the value.
func (l *layout) add(name, expr string, sub *layout) {
	for _, p := range sub.parts {
		p.field = p.within(name, expr)
		p.numbers = append([]field(nil), p.numbers...)
		for i := range p.numbers {
			p.numbers[i] = p.numbers[i].within(name, expr)
		}
		if n := len(l.parts); p.kind == numbers && n > 0 && l.parts[n-1].kind == numbers {
			l.parts[n-1].numbers = append(l.parts[n-1].numbers, p.numbers...)
			l.parts[n-1].width += p.width
		} else {
			l.parts = append(l.parts, p)
		}
	}
	l.min += sub.min
	l.max = min(l.max+sub.max, unbounded)
	l.open = l.open || sub.open
}

func (f field) within(name, expr string) field {
	f.expr = expr + f.expr
	switch {
	case f.name == "" || f.name[0] == '[':
		f.name = name + f.name
	case name != "":
		f.name = name + "." + f.name
	}
	return f
}

// one is a layout of one part.
func one(p part, least, most int64) *layout {
	return &layout{parts: []part{p}, min: least, max: min(most, unbounded), open: p.kind == rest}
}

// reader makes layouts of types.
type reader struct {
	src    *source
	little bool         // the order of numbers without a tag
	outer  []types.Type // the structs that are being read
}

func (r *reader) structure(where string, of types.Type, t *types.Struct) (*layout, error) {
	for _, outer := range r.outer {
		if types.Identical(outer, of) {
			return nil, fmt.Errorf("%s: %v contains itself; use codec.Recursive and codec.Record", where, of)
		}
	}
	r.outer = append(r.outer, of)
	defer func() { r.outer = r.outer[:len(r.outer)-1] }()
	l := &layout{}
	for i := range t.NumFields() {
		f := t.Field(i)
		tag, err := parseTag(where+"."+f.Name(), t.Tag(i))
		if err != nil {
			return nil, err
		}
		if inside, err := r.inside(f, tag); err != nil {
			return nil, err
		} else if !inside {
			continue
		}
		if l.open {
			return nil, tag.fail("the field follows one that takes the rest of the frame")
		}
		sub, err := r.field(f, tag)
		if err == nil {
			err = tag.done()
		}
		if err != nil {
			return nil, err
		}
		if f.Name() == "_" {
			l.add("", "", sub)
		} else {
			l.add(f.Name(), "."+f.Name(), sub)
		}
	}
	if len(l.parts) == 0 {
		return nil, fmt.Errorf("%s: %v has no exported fields; use codec.Record with a codec for it", where, of)
	}
	return l, nil
}

// inside reports whether a field is in the frame.
func (r *reader) inside(f *types.Var, tag *tag) (bool, error) {
	_, structure := f.Type().Underlying().(*types.Struct)
	switch {
	case tag.word("-"):
		return false, tag.done()
	case f.Exported() || f.Name() == "_":
		return true, nil
	case f.Embedded() && structure:
		if f.Pkg() != r.src.pkg {
			return false, tag.fail("the embedded field is not exported, so the code cannot name it")
		}
		return true, nil
	case len(tag.parts) > 0:
		return false, tag.fail("the field is not exported, so it is not in the frame")
	}
	return false, nil
}

func (r *reader) field(f *types.Var, tag *tag) (*layout, error) {
	if f.Name() == "_" {
		return blank(tag)
	}
	if f.Type() == types.Typ[types.Invalid] {
		return nil, tag.fail("%s", r.src.reason(f.Pos()))
	}
	return r.value(tag, f.Type())
}

func blank(tag *tag) (*layout, error) {
	if tag.word("const") {
		raw, err := hex.DecodeString(tag.parts["const"])
		if err != nil || len(raw) == 0 {
			return nil, tag.fail("const=%s is not hexadecimal", tag.parts["const"])
		}
		return one(part{kind: constant, text: string(raw)}, int64(len(raw)), int64(len(raw))), nil
	}
	n, err := tag.number("skip", 0)
	if err == nil && n == 0 {
		err = tag.fail("a field named _ needs a tag: const= with the bytes, skip= with their number, or -")
	}
	return one(part{kind: skipped, width: n}, int64(n), int64(n)), err
}

func (r *reader) value(tag *tag, of types.Type) (*layout, error) {
	if _, ok := types.Unalias(of).(*types.TypeParam); ok {
		return nil, tag.fail("the type parameter %v has no fixed encoding; declare a type that is an instance", of)
	}
	switch t := of.Underlying().(type) {
	case *types.Struct:
		return r.structure(tag.where, of, t)
	case *types.Array:
		if t.Len() > 0 {
			return r.array(tag, of, t)
		}
	case *types.Slice:
		if b, ok := t.Elem().Underlying().(*types.Basic); ok && b.Kind() == types.Uint8 {
			if !types.Identical(t.Elem(), types.Typ[types.Uint8]) {
				return nil, tag.fail("%v: a slice of a defined byte type cannot be converted; use []byte, or codec.Struct", of)
			}
			return r.textual(tag, of, false)
		}
		return r.slice(tag, of, t)
	case *types.Basic:
		if t.Kind() == types.String {
			return r.textual(tag, of, true)
		}
		return r.number(tag, of, t)
	}
	return nil, tag.fail("%v has no fixed encoding; use a type of a fixed size, or codec.Record with a codec for it", of)
}

func (r *reader) array(tag *tag, of types.Type, t *types.Array) (*layout, error) {
	if types.Identical(t.Elem(), types.Typ[types.Uint8]) {
		return numeric(field{of: of, form: octets, size: int(t.Len())}), nil
	}
	elem, err := r.value(tag, t.Elem())
	if err != nil {
		return nil, err
	}
	if t.Len() > 1 && elem.open {
		return nil, tag.fail("only one field can take the rest of the frame")
	}
	l, plain := &layout{}, len(elem.parts) == 1 && elem.parts[0].kind == numbers
	if elem.open || plain && int(t.Len())*len(elem.parts[0].numbers) <= mostSpelled {
		for i := range t.Len() {
			l.add(fmt.Sprintf("[%d]", i), fmt.Sprintf("[%d]", i), elem)
		}
		return l, nil
	}
	p := part{kind: array, field: field{of: of}, elem: elem, elemOf: t.Elem()}
	return &layout{[]part{p}, elem.min * t.Len(), min(elem.max*t.Len(), unbounded), elem.open}, nil
}

func (r *reader) slice(tag *tag, of types.Type, t *types.Slice) (*layout, error) {
	count, err := tag.length("count", codec.DefaultMaxCount, r.little)
	if err != nil {
		return nil, err
	}
	elem, err := r.value(tag, t.Elem())
	if err != nil {
		return nil, err
	}
	if elem.open || elem.min == 0 {
		return nil, tag.fail("the values of the slice have no end of their own")
	}
	p := part{kind: values, field: field{of: of}, length: count, elem: elem, elemOf: t.Elem()}
	w := int64(count.width)
	return one(p, w, w+elem.max*int64(count.max)), nil
}

func (r *reader) textual(tag *tag, of types.Type, str bool) (*layout, error) {
	p := part{kind: rest, field: field{of: of}, utf8: str && !tag.word("raw")}
	if tag.word("rest") {
		return one(p, 0, unbounded), nil
	}
	var err error
	if p.length, err = tag.length("len", codec.DefaultMax, r.little); err != nil {
		return nil, err
	}
	p.kind = text
	w := int64(p.length.width)
	return one(p, w, w+int64(p.length.max)), nil
}

// sizes are those of the numbers that have one.
var sizes = map[types.BasicKind]int{
	types.Int8: 1, types.Int16: 2, types.Int32: 4, types.Int64: 8,
	types.Uint8: 1, types.Uint16: 2, types.Uint32: 4, types.Uint64: 8,
	types.Float32: 4, types.Float64: 8, types.Bool: 1,
}

func (r *reader) number(tag *tag, of types.Type, t *types.Basic) (*layout, error) {
	f := field{of: of, size: sizes[t.Kind()]}
	if f.size == 0 {
		return nil, tag.fail("%v has no fixed encoding; use a type of a fixed size, or codec.Record with a codec for it", of)
	}
	switch {
	case t.Kind() == types.Bool:
		f.form = boolean
		return numeric(f), nil
	case f.size == 1:
		return numeric(f), nil
	case t.Info()&types.IsFloat != 0:
		f.form = float
	case f.size == 4:
		bits, err := tag.number("bits", 32)
		if err != nil || bits != 32 && bits != 24 {
			return nil, tag.fail("bits=%s is not 24 or 32", tag.parts["bits"])
		}
		if bits == 24 {
			f.form, f.size = narrow, 3
		}
	}
	var err error
	f.le, err = tag.order(r.little)
	return numeric(f), err
}

func numeric(f field) *layout {
	return one(part{kind: numbers, numbers: []field{f}, width: f.size}, int64(f.size), int64(f.size))
}
