package codec

import (
	"iter"
	"sync"
)

// Marshal returns the encoding of v in a new slice. To append to a slice, call c.Append.
func Marshal[T any](c Codec[T], v T) ([]byte, error) {
	p, err := c.Append(nil, v)
	if err != nil {
		return nil, encodeError(err)
	}
	return p, nil
}

// Unmarshal decodes the single value in p. Further bytes are an error that matches [ErrTrailingData]. The value shares
// no memory with p unless c contains [Borrowed].
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

// UnmarshalInto decodes the first value in p into *v and returns the number of bytes it used. For a struct it saves the
// copies of [Unmarshal]. Fields that a [Record] does not name may keep their values. After an error other fields may
// have been overwritten.
func UnmarshalInto[T any](c Codec[T], p []byte, v *T) (n int, err error) {
	table, isTable := c.(record[T])
	if isTable && table.program.plain != nil && len(p) >= table.program.fixed {
		table.program.plain.load(p, placeOf(v))
		return table.program.fixed, nil
	}
	r := readers.Get().(*Reader)
	if isTable {
		if n, ok := table.program.decodeFlat(p, &r.arena, placeOf(v)); ok {
			readers.Put(r)
			return n, nil
		}
	}
	r.reset(p)
	err = one(r, c, quickWhole(c), v)
	n = r.pos
	r.release()
	if err != nil {
		return 0, err
	}
	return n, nil
}

// MarshalAppend is c.Append of *v, all of which it may read. For a [Record] it avoids the copy of a call through the
// interface.
func MarshalAppend[T any](c Codec[T], dst []byte, v *T) ([]byte, error) {
	if c, ok := c.(record[T]); ok {
		return c.program.appendTo(dst, placeOf(v))
	}
	return c.Append(dst, *v)
}

// UnmarshalAll decodes all values in p. If one is invalid or truncated, it returns those before it with the error.
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

// Values returns an iterator over the values in p. Each is decoded when the iterator reaches it. An error is in the
// last pair.
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

// readers are Readers over slices, with the rest of their arenas.
var readers = sync.Pool{New: func() any { return &Reader{} }}
