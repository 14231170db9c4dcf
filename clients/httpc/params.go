package httpc

import (
	"encoding"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Params are the parameters of a query or a form. A value is a string, a number, a bool, a fmt.Stringer or an
// encoding.TextMarshaler; a slice of these ([]string, []int or []any), for a repeated parameter; or Params,
// map[string]any or map[string]string, for nested ones. A nil value or pointer is omitted.
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
	if err := style.appendMap(&b, "", p); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (s Style) appendMap(b *strings.Builder, prefix string, m map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		key := name
		if prefix != "" {
			key = prefix + "[" + name + "]"
		}
		if err := s.appendValue(b, key, m[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s Style) appendValue(b *strings.Builder, key string, v any) error {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
		return nil // calling its methods may panic
	}
	switch v := v.(type) {
	case nil:
		return nil
	case Params:
		return s.nest(b, key, v)
	case map[string]any:
		return s.nest(b, key, v)
	case map[string]string:
		m := make(map[string]any, len(v))
		for k, v := range v {
			m[k] = v
		}
		return s.nest(b, key, m)
	case []string:
		return repeat(s, b, key, v)
	case []int:
		return repeat(s, b, key, v)
	case []any:
		return repeat(s, b, key, v)
	}
	text, err := paramText(v)
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

func (s Style) nest(b *strings.Builder, key string, m map[string]any) error {
	if s.Nest == NestRefuse {
		return invalid("parameter %q has others within", key)
	}
	return s.appendMap(b, key, m)
}

func repeat[T any](s Style, b *strings.Builder, key string, values []T) error {
	for i, v := range values {
		name := key
		switch s.Repeat {
		case RepeatArray:
			name += "[]"
		case RepeatIndexed:
			name += "[" + strconv.Itoa(i) + "]"
		}
		if err := s.appendValue(b, name, v); err != nil {
			return err
		}
	}
	return nil
}

// paramText returns the text of a value that is neither repeated nor nested.
func paramText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32), nil
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		return string(text), err
	case fmt.Stringer:
		return v.String(), nil
	}
	return "", fmt.Errorf("a value of type %T has no form as text", v)
}
