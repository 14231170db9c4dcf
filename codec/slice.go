package codec

import (
	"iter"
	"sync"
)

// Marshal returns v in bytes of its own. To append to a slice, call c.Append. It is Gloss's encode.
func Marshal[T any](c Codec[T], v T) ([]byte, error) {
	p, err := c.Append(nil, v)
	if err != nil {
		return nil, encodeError(err)
	}
	return p, nil
}

// Unmarshal returns the one value that p holds. Bytes behind it are an error, ErrLeftover. The value shares no memory
// with p unless c is made of [Borrowed]. It is Gloss's decode.
func Unmarshal[T any](c Codec[T], p []byte) (T, error) {
	v, n, err := UnmarshalFirst(c, p)
	if err == nil && n < len(p) {
		var none T
		return none, sliceError(p, n, because(ErrLeftover, "%d bytes left over", len(p)-n))
	}
	return v, err
}

// UnmarshalFirst returns the first value in p and the number of bytes that it takes.
func UnmarshalFirst[T any](c Codec[T], p []byte) (v T, n int, err error) {
	r := readers.Get().(*Reader)
	defer readers.Put(r)
	r.reset(p)
	v, err = c.Decode(r)
	n = r.pos
	if err == nil {
		err = r.err
	}
	if err != nil {
		var none T
		v, n, err = none, 0, r.locate(err)
	}
	r.reset(nil)
	return v, n, err
}

// UnmarshalAll returns all values that p holds, one behind the other. If one of them is wrong or cut short, those before
// it come with the error. It is Gloss's decode-all.
func UnmarshalAll[T any](c Codec[T], p []byte) ([]T, error) {
	var all []T
	for v, err := range Values(c, p) {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Values returns an iterator over the values that p holds, each decoded when it is its turn. An error is the last it
// yields. It is Gloss's lazy-decode-all.
func Values[T any](c Codec[T], p []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r := NewReader(p)
		for r.pos < len(p) {
			before := r.pos
			v, err := c.Decode(r)
			if err == nil {
				err = r.err
			}
			if err == nil && r.pos == before {
				err = ErrNoProgress
			}
			if err != nil {
				var none T
				yield(none, r.locate(err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// readers are Readers over slices, and what is left of their arenas.
var readers = sync.Pool{New: func() any { return &Reader{} }}

func sliceError(p []byte, at int, err error) error {
	r := Reader{buf: p, have: len(p)}
	return r.Fail(int64(at), err)
}
