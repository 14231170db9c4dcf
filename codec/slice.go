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
func Unmarshal[T any](c Codec[T], p []byte) (v T, err error) {
	if n := plainOf(c); n != nil && len(p) == n.width {
		plainInto(n, p, &v)
		return v, nil
	}
	return unmarshalWhole(c, p)
}

func unmarshalWhole[T any](c Codec[T], p []byte) (T, error) {
	v, n, err := unmarshalFirst(c, p)
	if err == nil && n < len(p) {
		var none T
		return none, sliceError(p, n, because(ErrLeftover, "%d bytes left over", len(p)-n))
	}
	return v, err
}

// UnmarshalFirst returns the first value in p and the number of bytes that it takes.
func UnmarshalFirst[T any](c Codec[T], p []byte) (v T, n int, err error) {
	if n := plainOf(c); n != nil && len(p) >= n.width {
		plainInto(n, p, &v)
		return v, n.width, nil
	}
	return unmarshalFirst(c, p)
}

func unmarshalFirst[T any](c Codec[T], p []byte) (v T, n int, err error) {
	r := readerOf(p)
	v, err = c.Decode(r)
	if n, err = r.finish(err); err != nil {
		var none T
		return none, 0, err
	}
	return v, n, nil
}

// DecodeInto is [UnmarshalFirst] that puts the value where v points to, which for a struct saves much of the time. What
// the codec is not about is as it was: the fields that a [Record] does not name. After an error the others may be of
// either kind.
func DecodeInto[T any](c Codec[T], p []byte, v *T) (n int, err error) {
	if n := plainOf(c); n != nil && len(p) >= n.width {
		plainInto(n, p, v)
		return n.width, nil
	}
	r := readerOf(p)
	if in, ok := c.(placer[T]); ok {
		err = in.decodeInto(r, v)
	} else {
		*v, err = c.Decode(r)
	}
	return r.finish(err)
}

// AppendFrom is c.Append of what v points to, which for a struct saves the copies that the call of an interface makes.
func AppendFrom[T any](c Codec[T], dst []byte, v *T) ([]byte, error) {
	if n := plainOf(c); n != nil {
		return plainFrom(n, dst, v), nil
	}
	if in, ok := c.(placer[T]); ok {
		return in.appendFrom(dst, v)
	}
	return c.Append(dst, *v)
}

// placer is implemented by codecs that can decode a value in its place.
type placer[T any] interface {
	appendFrom(dst []byte, v *T) ([]byte, error)
	decodeInto(r *Reader, v *T) error
}

// plainOf returns the numbers that c is nothing but, or nil: they need no Reader.
func plainOf[T any](c Codec[T]) *run {
	if f, ok := c.(flatRecord[T]); ok {
		return f.program.plain
	}
	return nil
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

// readerOf returns a Reader over p, until finish.
func readerOf(p []byte) *Reader {
	r := readers.Get().(*Reader)
	r.reset(p)
	return r
}

// finish returns how many bytes a decoder that returned err has read, or why it has failed.
func (r *Reader) finish(err error) (n int, _ error) {
	n = r.pos
	if err == nil {
		err = r.err
	}
	if err != nil {
		n, err = 0, r.locate(err)
	}
	r.reset(nil)
	readers.Put(r)
	return n, err
}

// readers are Readers over slices, and what is left of their arenas.
var readers = sync.Pool{New: func() any { return &Reader{} }}

func sliceError(p []byte, at int, err error) error {
	r := Reader{buf: p, have: len(p)}
	return r.Fail(int64(at), err)
}
