package codec

import (
	"iter"
	"sync"
)

// Marshal returns v in bytes of its own. To append to a slice, call c.Append.
func Marshal[T any](c Codec[T], v T) ([]byte, error) {
	p, err := c.Append(nil, v)
	if err != nil {
		return nil, encodeError(err)
	}
	return p, nil
}

// Unmarshal returns the one value that p holds. Bytes after it are an error, ErrTrailingData. The value shares no
// memory with p unless c is made of [Borrowed].
func Unmarshal[T any](c Codec[T], p []byte) (v T, err error) {
	n, err := UnmarshalInto(c, p, &v)
	if err == nil && n == len(p) {
		return v, nil
	}
	if err == nil {
		err = NewReader(p).Fail(int64(n), because(ErrTrailingData, "%d bytes of trailing data", len(p)-n))
	}
	return *new(T), err
}

// UnmarshalInto puts the first value that p holds in *v, which for a struct takes half the time of [Unmarshal], and returns
// the number of bytes that it takes. Fields that a [Record] does not name may keep what they held. After an error some of the
// others may have been overwritten.
func UnmarshalInto[T any](c Codec[T], p []byte, v *T) (n int, err error) {
	if table, ok := c.(record[T]); ok && table.program.plain != nil && len(p) >= table.program.fixed {
		table.program.plain.load(p, placeOf(v))
		return table.program.fixed, nil
	}
	r := readers.Get().(*Reader)
	r.reset(p)
	err = one(r, c, quickWhole(c), v)
	n = r.pos
	r.release()
	if err != nil {
		return 0, err
	}
	return n, nil
}

// MarshalAppend is c.Append of *v. For a [Record] it saves the copies that a call through the interface makes.
func MarshalAppend[T any](c Codec[T], dst []byte, v *T) ([]byte, error) {
	if c, ok := c.(record[T]); ok {
		return c.append(dst, v)
	}
	return c.Append(dst, *v)
}

// UnmarshalAll returns all values that p holds, one after the other. If one of them is wrong or cut short, those before
// it come with the error.
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
// yields.
func Values[T any](c Codec[T], p []byte) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r, quick := NewReader(p), quickWhole(c)
		for r.pos < len(p) {
			var v T
			if err := several(r, c, quick, &v); err != nil {
				yield(*new(T), err)
				return
			}
			r.clear()
			if !yield(v, nil) {
				return
			}
		}
	}
}

// readers are Readers over slices, and what is left of their arenas.
var readers = sync.Pool{New: func() any { return &Reader{} }}
