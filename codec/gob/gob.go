// Package gob has a codec for values as encoding/gob writes them.
//
// Beware of peers that are not trusted: the decoder of the standard library believes the counts that it is sent. 23 bytes
// that claim a large map have it allocate more than 200 MiB, whatever the limit of the frame around them, and its own
// documentation says that it is not hardened against adversarial input. It is for values between programs of one owner.
package gob

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"github.com/weir-go/weir/codec"
)

// Of is a value of T as encoding/gob writes it, up to the end of the frame around it: each frame is a gob stream of its
// own, with the description of the type, so that frames depend on nothing before them. Mind the warning above.
//
//	Prefixed(Uint16, gob.Of[int]()), 5:
//	+----+----+----+----+----+----+
//	| 00 | 04 | 03 | 04 | 00 | 0a |
//	+----+----+----+----+----+----+
func Of[T any]() codec.Codec[T] { return of[T]{} }

type of[T any] struct{}

func (of[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if err := gob.NewEncoder(out).Encode(&v); err != nil {
		return dst, err
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
	if err := gob.NewDecoder(in).Decode(&v); err != nil {
		return v, r.Fail(start, fmt.Errorf("%w: %w", codec.ErrMalformed, err))
	}
	if in.Len() > 0 {
		return v, r.Fail(start+int64(len(p)-in.Len()), fmt.Errorf("%w: %d bytes", codec.ErrTrailingData, in.Len()))
	}
	return v, nil
}

func (of[T]) Size() codec.Size { return codec.Size{Min: 1, Max: codec.Unbounded, Open: true} }
