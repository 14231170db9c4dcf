package codec

import (
	"encoding/json"
	"errors"
)

// JSON is a value of T as one JSON text, as encoding/json reads and writes it (RFC 8259), up to the end of the frame
// around it: JSON has no end of its own, so put a length or a delimiter around it. An error names the field and the
// byte.
//
//	Prefixed(Uint16, JSON[[]int]()), []int{1, 2}:
//	+----+----+----+----+----+----+----+
//	| 00 | 05 | 5b | 31 | 2c | 32 | 5d |    [1,2]
//	+----+----+----+----+----+----+----+
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(dst, p...), nil
}

func (jsonCodec[T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	n, err := rest(r)
	if err != nil {
		return v, err
	}
	p, err := r.Next(n)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(p, &v); err != nil {
		return v, jsonError(r, start, err)
	}
	return v, nil
}

func (jsonCodec[T]) Size() Size { return Size{Min: 1, Max: Unbounded, Open: true} }

// jsonError says where err is.
func jsonError(r *Reader, start int64, err error) error {
	var wrongType *json.UnmarshalTypeError
	var wrongText *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		return WrapField(wrongType.Field, r.Fail(start+wrongType.Offset, err))
	case errors.As(err, &wrongText):
		return r.Fail(start+max(wrongText.Offset-1, 0), &detail{ErrMalformed, err.Error()})
	}
	return r.Fail(start, err)
}
