package codec

import "fmt"

// unstuffer returns the plain bytes of those on the wire. bad is the index of an invalid byte, or -1. If wire is not
// nil, it appends to it the index on the wire of each plain byte.
type unstuffer func(p []byte, wire *[]int) (plain []byte, bad int)

// took appends b, decoded from the byte at index i on the wire.
func took(plain []byte, b byte, i int, wire *[]int) []byte {
	if wire != nil {
		*wire = append(*wire, i)
	}
	return append(plain, b)
}

// decodeInner decodes c from the result of unstuff for p, which starts at offset at of the stream. The offsets of its
// errors are those on the wire.
func decodeInner[T any](r *Reader, c Codec[T], p []byte, at int64, unstuff unstuffer) (v T, err error) {
	plain, bad := unstuff(p, nil)
	if bad >= 0 {
		return v, r.Fail(at+int64(bad), because(ErrMalformed, "invalid escape"))
	}
	v, err = decodePlain(r, c, plain)
	e := asError(err)
	if e == nil {
		return v, err
	}
	var wire []int
	unstuff(p, &wire)
	if wire = append(wire, len(p)); e.Offset >= 0 && int(e.Offset) < len(wire) {
		at += int64(wire[e.Offset])
	}
	moved := r.Fail(at, e.Err).(*Error)
	moved.Path = e.Path
	return v, moved
}

// decodeUnpacked decodes c from plain, the unpacked form of the bytes from offset at on. Offsets in plain do not
// correspond to offsets on the wire, so an error has both.
func decodeUnpacked[T any](r *Reader, c Codec[T], plain []byte, at int64, where string) (v T, err error) {
	v, err = decodePlain(r, c, plain)
	e := asError(err)
	if e == nil {
		return v, err
	}
	outer := &Error{Path: joinPath(where, e.Path), Offset: at, near: e.near, mark: e.mark}
	outer.Err = &detail{e.Err, fmt.Sprintf("at byte %d of the %s data: %v", e.Offset, where, e.Err)}
	return v, outer
}

// decodePlain decodes c from p and must use all of it. The offsets of its errors are those in p.
func decodePlain[T any](r *Reader, c Codec[T], p []byte) (v T, err error) {
	inner := readers.Get().(*Reader)
	defer func() {
		inner.reset(nil)
		readers.Put(inner)
	}()
	inner.reset(p)
	inner.depth, inner.nested = r.depth, append(inner.nested, r.nested...)
	if err = one(inner, c, nil, &v); err != nil {
		return v, err
	}
	if left := len(p) - inner.pos; left > 0 {
		return v, inner.Fail(inner.Offset(), because(ErrTrailingData, "%d bytes of trailing data", left))
	}
	return v, nil
}
