package codectest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// reflectBits formats a value so that two values have the same text if they are equal, with NaNs compared by their
// bits.
func reflectBits(v reflect.Value) string {
	var b strings.Builder
	render(&b, v, 0)
	return b.String()
}

func render(b *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() || depth > 100 {
		b.WriteString("?")
		return
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		fmt.Fprintf(b, "%x,", math.Float64bits(v.Float()))
	case reflect.Pointer, reflect.Interface:
		render(b, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		b.WriteString("[")
		for i := range v.Len() {
			render(b, v.Index(i), depth+1)
		}
		b.WriteString("]")
	case reflect.Struct:
		b.WriteString(v.Type().String() + "{")
		for i := range v.NumField() {
			render(b, v.Field(i), depth+1)
		}
		b.WriteString("}")
	default:
		fmt.Fprintf(b, "%v,", v)
	}
}
