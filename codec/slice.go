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

// Unmarshal returns the one value that p holds. Bytes behind it are an error, ErrTrailingData. The value shares no memory
// with p unless c is made of [Borrowed]. It is Gloss's decode.
func Unmarshal[T any](c Codec[T], p []byte) (v T, err error) {
	n, err := UnmarshalInto(c, p, &v)
	if err == nil && n == len(p) {
		return v, nil
	}
	if err == nil {
		err = sliceError(p, n, because(ErrTrailingData, "%d bytes left over", len(p)-n))
	}
	var none T
	return none, err
}

// UnmarshalFirst returns the first value in p and the number of bytes that it takes.
func UnmarshalFirst[T any](c Codec[T], p []byte) (v T, n int, err error) {
	if n, err = UnmarshalInto(c, p, &v); err != nil {
		var none T
		return none, 0, err
	}
	return v, n, nil
}

// UnmarshalInto is [UnmarshalFirst] that puts the value in *v, which for a struct takes half the time. Fields that a [Record]
// does not name may keep what they held. After an error some of the others may have been overwritten.
func UnmarshalInto[T any](c Codec[T], p []byte, v *T) (n int, err error) {
	if c, ok := c.(record[T]); ok {
		if n := c.program.plain; n != nil && len(p) >= n.width {
			plainInto(n, p, v)
			return n.width, nil
		}
		return recordInto(c, p, v)
	}
	return decodeSlice(c, p, v)
}

// recordInto is for a Record that is more than plain numbers, or cut short.
func recordInto[T any](c record[T], p []byte, v *T) (n int, err error) {
	r := readers.Get().(*Reader)
	if n, ok := flatInto(c.program, p, &r.arena, v); ok {
		readers.Put(r)
		return n, nil
	}
	r.reset(p)
	return r.finish(readInto(c.program, r, v))
}

// decodeSlice is for all other codecs.
func decodeSlice[T any](c Codec[T], p []byte, v *T) (n int, err error) {
	r := readers.Get().(*Reader)
	if q := quickWhole(c); q != nil {
		if n, ok := q.decodeQuick(p, &r.arena, hidden(v)); ok {
			readers.Put(r)
			return n, nil
		}
	}
	r.reset(p)
	*v, err = c.Decode(r)
	return r.finish(err)
}

// MarshalAppend is c.Append of *v. For a [Record] it saves the copies that a call through the interface makes.
func MarshalAppend[T any](c Codec[T], dst []byte, v *T) ([]byte, error) {
	if c, ok := c.(record[T]); ok {
		return appendFrom(c.program, dst, v)
	}
	return appendValue(c, dst, v)
}

func appendValue[T any](c Codec[T], dst []byte, v *T) ([]byte, error) { return c.Append(dst, *v) }

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
		r, quick := NewReader(p), quickWhole(c)
		for r.pos < len(p) {
			before := r.pos
			if quick != nil {
				var v T
				if n, ok := quick.decodeQuick(p[before:], &r.arena, hidden(&v)); ok && n > 0 {
					if r.pos += n; !yield(v, nil) {
						return
					}
					continue
				}
			}
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

// finish returns how many bytes a decoder that returned err has read, or why it has failed, and gives r back.
func (r *Reader) finish(err error) (n int, _ error) {
	n = r.pos
	if err == nil {
		err = r.err
	}
	if err != nil {
		n, err = 0, r.locate(err)
	}
	r.buf, r.err = nil, nil
	readers.Put(r)
	return n, err
}

// readers are Readers over slices, and what is left of their arenas.
var readers = sync.Pool{New: func() any { return &Reader{} }}

func sliceError(p []byte, at int, err error) error {
	r := Reader{buf: p, have: len(p)}
	return r.Fail(int64(at), err)
}
