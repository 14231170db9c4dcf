package httpc

import (
	"encoding"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Params are the parameters of a query or a form. A value is a string, a number, a bool, a fmt.Stringer or an
// encoding.TextMarshaler; a slice of those ([]string, []int or []any), which is a repeated parameter; or Params,
// map[string]any or map[string]string, which are nested ones. A nil value is left out.
type Params map[string]any

// Style says how repeated and nested parameters are written. The zero value is the way of HTML forms and of most servers.
type Style struct {
	Repeat Repeat
	Nest   Nest
}

// Repeat is how a parameter with several values is written.
type Repeat int

// The ways to repeat.
const (
	RepeatName    Repeat = iota // a=1&a=2
	RepeatArray                 // a[]=1&a[]=2
	RepeatIndexed               // a[0]=1&a[1]=2
)

// Nest is how a parameter within another one is written.
type Nest int

// The ways to nest.
const (
	NestBrackets Nest = iota // a[b]=1
	NestRefuse               // not at all: it is an error
)

// Encode returns p as a query, or the body of a form, in the order of the names.
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

// paramText returns a value that is neither repeated nor nested.
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
