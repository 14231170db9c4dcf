package main

import (
	"encoding/hex"
	"fmt"
	"go/types"
	"reflect"
	"strconv"
	"strings"

	"github.com/weir-go/weir/codec"
)

// layout is the fields of a struct in the order of their bytes.
type layout struct{ fields []field }

// field is a part of the frame that has a fixed width, and a text behind it if length is set.
type field struct {
	kind  kind
	value string     // an expression: v.Header.Kind
	of    types.Type // of the value
	width int        // in bytes
	le    bool
	bytes string // of a constant

	max  int  // of a length: the most bytes of the text
	utf8 bool // the text must be
}

type kind int

const (
	integer kind = iota
	float
	boolean
	narrow   // an integer of 24 bits in a field of 32
	octets   // an array of bytes
	constant // bytes that are in no field
	skipped
	length // of the text in value
)

// mostElements bounds the arrays that are spelled out element by element.
const mostElements = 256

// addStruct adds the fields of a struct that the expression value denotes. where is for errors.
func (l *layout) addStruct(where, value string, t *types.Struct) error {
	for i := range t.NumFields() {
		f := t.Field(i)
		tag := parseTag(where+"."+f.Name(), reflect.StructTag(t.Tag(i)).Get("wire"))
		var err error
		switch {
		case tag.has("-") || !f.Exported() && f.Name() != "_":
		case f.Name() == "_":
			err = l.addBlank(tag)
		default:
			err = l.addValue(tag, value+"."+f.Name(), f.Type())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *layout) addBlank(tag tag) error {
	if tag.has("const") {
		raw, err := hex.DecodeString(tag.parts["const"])
		if err != nil || len(raw) == 0 {
			return fmt.Errorf("%s: const=%s is not hexadecimal", tag.where, tag.parts["const"])
		}
		l.fields = append(l.fields, field{kind: constant, width: len(raw), bytes: string(raw)})
		return nil
	}
	n, err := tag.number("skip", 0)
	if n > 0 {
		l.fields = append(l.fields, field{kind: skipped, width: n})
	}
	return err
}

func (l *layout) addValue(tag tag, value string, of types.Type) error {
	switch t := of.Underlying().(type) {
	case *types.Struct:
		return l.addStruct(tag.where, value, t)
	case *types.Array:
		return l.addArray(tag, value, t)
	case *types.Slice:
		if types.Identical(t.Elem(), types.Typ[types.Uint8]) {
			return l.addText(tag, value, of)
		}
		return fmt.Errorf("%s: a slice has a number of values that differs; use codec.Struct alone", tag.where)
	case *types.Basic:
		if t.Kind() == types.String {
			return l.addText(tag, value, of)
		}
		return l.addNumber(tag, value, of, t)
	}
	return fmt.Errorf("%s: %v has no fixed encoding", tag.where, of)
}

func (l *layout) addArray(tag tag, value string, t *types.Array) error {
	if t.Len() > 0 && types.Identical(t.Elem(), types.Typ[types.Uint8]) {
		l.fields = append(l.fields, field{kind: octets, value: value, width: int(t.Len())})
		return nil
	}
	if t.Len() > mostElements {
		return fmt.Errorf("%s: an array of %d is too long to be spelled out; use codec.Struct alone", tag.where, t.Len())
	}
	for i := range t.Len() {
		if err := l.addValue(tag, fmt.Sprintf("%s[%d]", value, i), t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

// widths are those of the numbers that have one.
var widths = map[types.BasicKind]int{
	types.Int8: 1, types.Int16: 2, types.Int32: 4, types.Int64: 8,
	types.Uint8: 1, types.Uint16: 2, types.Uint32: 4, types.Uint64: 8,
	types.Float32: 4, types.Float64: 8, types.Bool: 1,
}

func (l *layout) addNumber(tag tag, value string, of types.Type, t *types.Basic) error {
	f := field{value: value, of: of, width: widths[t.Kind()], le: tag.has("le")}
	bits, err := tag.number("bits", 0)
	switch {
	case err != nil:
		return err
	case f.width == 0:
		return fmt.Errorf("%s: %v has no fixed encoding, or is not known", tag.where, of)
	case t.Kind() == types.Bool:
		f.kind = boolean
	case t.Info()&types.IsFloat != 0:
		f.kind = float
	case bits == 24 && f.width == 4:
		f.kind, f.width = narrow, 3
	}
	l.fields = append(l.fields, f)
	return nil
}

// lengths are the widths of lengths.
var lengths = map[string]int{"u8": 1, "u16": 2, "u24": 3, "u32": 4}

func (l *layout) addText(tag tag, value string, of types.Type) error {
	name, le := strings.CutSuffix(tag.parts["len"], "le")
	f := field{kind: length, value: value, of: of, width: lengths[name], le: le}
	if f.width == 0 {
		return fmt.Errorf("%s: only texts behind their length are supported, len=u16 for example; use codec.Struct alone", tag.where)
	}
	_, isString := of.Underlying().(*types.Basic)
	f.utf8 = isString && !tag.has("raw")
	most, err := tag.number("max", codec.DefaultMax)
	f.max = int(min(uint64(most), 1<<(8*f.width)-1))
	l.fields = append(l.fields, f)
	return err
}

// tag is the words and numbers of a tag.
type tag struct {
	where string
	parts map[string]string
}

func parseTag(where, text string) tag {
	t := tag{where, map[string]string{}}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		t.parts[key] = value
	}
	return t
}

func (t tag) has(key string) bool {
	_, ok := t.parts[key]
	return ok
}

func (t tag) number(key string, otherwise int) (int, error) {
	if !t.has(key) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(t.parts[key])
	if err != nil {
		return 0, fmt.Errorf("%s: %s=%s is no number", t.where, key, t.parts[key])
	}
	return n, nil
}
