package httpc

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Params are the parameters of a query or a form. A value is a string, a number, a bool, an encoding.TextMarshaler or a
// fmt.Stringer; a slice of these, for a repeated parameter; or a map with strings as keys, such as Params, for nested
// ones. A pointer stands for its value. A nil value is omitted.
type Params map[string]any

// Style selects how repeated and nested parameters are encoded. The zero value is the encoding of HTML forms and of
// most servers.
type Style struct {
	Repeat Repeat
	Nest   Nest
}

// Repeat selects how a parameter with several values is encoded.
type Repeat int

// The encodings of repeated parameters.
const (
	RepeatName    Repeat = iota // a=1&a=2
	RepeatArray                 // a[]=1&a[]=2
	RepeatIndexed               // a[0]=1&a[1]=2
)

// Nest selects how nested parameters are encoded.
type Nest int

// The encodings of nested parameters.
const (
	NestBrackets Nest = iota // a[b]=1
	NestRefuse               // nested parameters are an error
)

// Encode returns p encoded as a query or a form body, sorted by name.
func (p Params) Encode(style Style) (string, error) {
	var b strings.Builder
	if err := style.appendMap(&b, "", reflect.ValueOf(p)); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (s Style) appendMap(b *strings.Builder, prefix string, m reflect.Value) error {
	names := m.MapKeys()
	slices.SortFunc(names, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	for _, name := range names {
		key := name.String()
		if prefix != "" {
			key = prefix + "[" + key + "]"
		}
		if err := s.appendValue(b, key, m.MapIndex(name)); err != nil {
			return err
		}
	}
	return nil
}

func (s Style) appendValue(b *strings.Builder, key string, v reflect.Value) error {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil // calling its methods may panic
	}
	text, err := paramText(v)
	if err == errNotText {
		return s.appendCompound(b, key, v)
	}
	if err != nil {
		return fmt.Errorf("httpc: parameter %q: %w", key, err)
	}
	if b.Len() > 0 {
		b.WriteByte('&')
	}
	b.WriteString(url.QueryEscape(key))
	b.WriteByte('=')
	b.WriteString(url.QueryEscape(text))
	return nil
}

// appendCompound appends a value that has no form as text itself.
func (s Style) appendCompound(b *strings.Builder, key string, v reflect.Value) error {
	switch kind := v.Kind(); {
	case kind == reflect.Pointer:
		return s.appendValue(b, key, v.Elem())
	case kind == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return s.repeat(b, key, v)
	case kind == reflect.Map && v.Type().Key().Kind() == reflect.String:
		if s.Nest == NestRefuse {
			return invalid("parameter %q has others within", key)
		}
		return s.appendMap(b, key, v)
	}
	return fmt.Errorf("httpc: parameter %q: a value of type %v has no form as text", key, v.Type())
}

func (s Style) repeat(b *strings.Builder, key string, values reflect.Value) error {
	for i := range values.Len() {
		name := key
		switch s.Repeat {
		case RepeatArray:
			name += "[]"
		case RepeatIndexed:
			name += "[" + strconv.Itoa(i) + "]"
		}
		if err := s.appendValue(b, name, values.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

var errNotText = errors.New("no form as text")

// paramText returns the text of a value, or errNotText.
func paramText(v reflect.Value) (string, error) {
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		return string(text), err
	case fmt.Stringer:
		return x.String(), nil
	}
	switch v.Kind() {
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case reflect.Float64, reflect.Float32:
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), nil
	}
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	}
	return "", errNotText
}
