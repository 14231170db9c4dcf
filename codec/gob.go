package codec

import (
	"bytes"
	"encoding/gob"
)

// Gob is a value of T as encoding/gob writes it, up to the end of the frame around it: each frame is a gob stream of its
// own, with the description of the type, so that frames depend on nothing before them.
//
//	Prefixed(Uint16, Gob[int]()), 5:
//	+----+----+----+----+----+----+
//	| 00 | 04 | 03 | 04 | 00 | 0a |
//	+----+----+----+----+----+----+
func Gob[T any]() Codec[T] { return gobCodec[T]{} }

type gobCodec[T any] struct{}

func (gobCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if err := gob.NewEncoder(out).Encode(&v); err != nil {
		return dst, err
	}
	return out.Bytes(), nil
}

func (gobCodec[T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	n, err := rest(r)
	if err != nil {
		return v, err
	}
	p, err := r.Next(n)
	if err != nil {
		return v, err
	}
	in := bytes.NewReader(p)
	if err := gob.NewDecoder(in).Decode(&v); err != nil {
		return v, r.Fail(start, &detail{ErrMalformed, err.Error()})
	}
	if in.Len() > 0 {
		return v, r.Fail(start+int64(n-in.Len()), because(ErrTrailingData, "%d bytes left over", in.Len()))
	}
	return v, nil
}

func (gobCodec[T]) Size() Size { return Size{Min: 1, Max: Unbounded, Open: true} }
