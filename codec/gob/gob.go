// Package gob provides a codec for values in the format of encoding/gob.
//
// Do not use it with untrusted peers: the decoder of the standard library is not hardened against adversarial input, as
// its documentation says. It trusts the counts of maps, so 23 bytes can make it allocate 200 MiB, regardless of the limit
// of the enclosing frame. This package checks maps that are T or a field of the struct T, but not maps in slices, in other
// maps and behind pointers.
package gob

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"reflect"

	"github.com/weir-go/weir/codec"
)

// Of is a value of T in the format of encoding/gob, up to the end of the enclosing frame. Each frame is a complete gob
// stream that describes its type, so frames do not depend on earlier ones. See the warning above.
//
//	Prefixed(Uint16, gob.Of[int]()), 5:
//	| 00 | 04 | 03 | 04 | 00 | 0a |
func Of[T any]() codec.Codec[T] { return of[T]{} }

type of[T any] struct{}

func (of[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if err := gob.NewEncoder(out).Encode(&v); err != nil {
		return dst, fmt.Errorf("%w: %w", codec.ErrMalformed, err)
	}
	return out.Bytes(), nil
}

func (of[T]) Decode(r *codec.Reader) (v T, err error) {
	start := r.Offset()
	p, err := codec.Borrowed.Decode(r)
	if err != nil {
		return v, err
	}
	in := bytes.NewReader(p)
	top := reflect.ValueOf(&v).Elem()
	eachMap(top, func(m reflect.Value) { m.Set(reflect.MakeMap(m.Type())) }) // the decoder fills it as it is
	if err := gob.NewDecoder(in).Decode(&v); err != nil {
		return v, r.Fail(start, fmt.Errorf("%w: %w", codec.ErrMalformed, err))
	}
	if top.Kind() == reflect.Struct {
		eachMap(top, func(m reflect.Value) {
			if m.Len() == 0 {
				m.SetZero()
			}
		})
	}
	if in.Len() > 0 {
		return v, r.Fail(start+int64(len(p)-in.Len()), fmt.Errorf("%w: %d bytes", codec.ErrTrailingData, in.Len()))
	}
	return v, nil
}

// eachMap calls f for v, or the fields within it, that are maps.
func eachMap(v reflect.Value, f func(m reflect.Value)) {
	switch v.Kind() {
	case reflect.Map:
		f(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachMap(v.Field(i), f)
			}
		}
	}
}

func (of[T]) Size() codec.Size { return codec.Size{Min: 1, Max: codec.Unbounded, Open: true} }
