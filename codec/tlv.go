package codec

import "fmt"

// TLV is a struct whose fields each stand after their tag, in any order, up to the end of the frame around it, or of
// the stream: tag, length, value. Without a length, nil, each value must have an end of its own. They are sent in the
// order given here. A tag that no field has is refused, unless there are [UnknownTags]. Tags have the type that tag
// decodes to.
//
//	type Options struct {
//		Name    string
//		Port    *uint16
//		Unknown []UnknownTag[uint8]
//	}
//
//	TLV(Uint8, NewLength(Uint8),
//		RequiredTag(uint8(1), "name", func(o *Options) *string { return &o.Name }, String),
//		OptionalTag(uint8(2), "port", func(o *Options) **uint16 { return &o.Port }, Uint16),
//		UnknownTags(func(o *Options) *[]UnknownTag[uint8] { return &o.Unknown }))
//
//	Options{Name: "a"}:
//	+----+----+----+
//	| 01 | 01 | 61 |
//	+----+----+----+
func TLV[N comparable, T any](tag Codec[N], length *Length, fields ...TagOf[N, T]) Codec[T] {
	notNil(tag, "TLV: tag")
	if len(fields) == 0 || len(fields) > 64 {
		panic(fmt.Sprintf("codec: TLV: 1 to 64 fields are possible, got %d", len(fields)))
	}
	c := &tlv[N, T]{tag: ended("TLV: tag", tag), length: length, fields: fields, byTag: map[N]int{}, unknown: -1}
	for i, f := range fields {
		_, twice := c.byTag[f.tag]
		switch {
		case f.count == nil:
			panic(fmt.Sprintf("codec: TLV: field %d was not made by RequiredTag, OptionalTag, RepeatedTag or UnknownTags", i))
		case f.unknown && (length == nil || c.unknown >= 0):
			panic("codec: TLV: UnknownTags can be there once, and only with a length")
		case f.unknown:
			c.unknown = i
		case twice:
			panic(fmt.Sprintf("codec: TLV: the tag %v is there twice", f.tag))
		default:
			c.byTag[f.tag] = i
		}
		if length == nil {
			closed("TLV: "+f.name, f.size)
		}
	}
	return c
}

// TagOf is one field of a [TLV]. It is made by [RequiredTag], [OptionalTag], [RepeatedTag] or [UnknownTags].
type TagOf[N comparable, T any] struct {
	tag      N
	name     string
	offset   uintptr
	size     Size // of a value
	required bool
	many     bool
	unknown  bool

	count  func(at place) int // of the values of the field, which lie at a place
	append func(dst []byte, at place, i int) ([]byte, error)
	decode func(r *Reader, at place, tag N) error // adds a value
}

// RequiredTag is a field that must be there.
func RequiredTag[N comparable, T, F any](tag N, name string, access func(*T) *F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T]("RequiredTag", tag, name, fieldOffset(name, access), c)
	f.required = true
	f.count = func(place) int { return 1 }
	f.append = func(dst []byte, at place, _ int) ([]byte, error) { return c.Append(dst, *valueAt[F](at)) }
	f.decode = func(r *Reader, at place, _ N) (err error) {
		*valueAt[F](at), err = c.Decode(r)
		return err
	}
	return f
}

// OptionalTag is a field that is nil if it is not there.
func OptionalTag[N comparable, T, F any](tag N, name string, access func(*T) **F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T]("OptionalTag", tag, name, fieldOffset(name, access), c)
	f.count = func(at place) int {
		if *valueAt[*F](at) == nil {
			return 0
		}
		return 1
	}
	f.append = func(dst []byte, at place, _ int) ([]byte, error) { return c.Append(dst, **valueAt[*F](at)) }
	f.decode = func(r *Reader, at place, _ N) error {
		v, err := c.Decode(r)
		*valueAt[*F](at) = &v
		return err
	}
	return f
}

// RepeatedTag is a field that may be there several times.
func RepeatedTag[N comparable, T, F any](tag N, name string, access func(*T) *[]F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T]("RepeatedTag", tag, name, fieldOffset(name, access), c)
	f.many = true
	f.count = func(at place) int { return len(*valueAt[[]F](at)) }
	f.append = func(dst []byte, at place, i int) ([]byte, error) { return c.Append(dst, (*valueAt[[]F](at))[i]) }
	f.decode = func(r *Reader, at place, _ N) error {
		v, err := c.Decode(r)
		all := valueAt[[]F](at)
		*all = append(*all, v)
		return err
	}
	return f
}

func newTag[N comparable, T, F any](where string, tag N, name string, offset uintptr, c Codec[F]) TagOf[N, T] {
	return TagOf[N, T]{tag: tag, name: name, offset: offset, size: SizeOf(notNil(c, where+" "+name))}
}

// UnknownTag is a field of a [TLV] that no other has the tag of.
type UnknownTag[N comparable] struct {
	Tag   N
	Value []byte
}

// UnknownTags keeps the fields that no other has the tag of, which are sent after the others, or where it stands.
func UnknownTags[N comparable, T any](access func(*T) *[]UnknownTag[N]) TagOf[N, T] {
	f := TagOf[N, T]{name: "unknown", offset: fieldOffset("unknown", access), many: true, unknown: true}
	f.count = func(at place) int { return len(*valueAt[[]UnknownTag[N]](at)) }
	f.append = func(dst []byte, at place, i int) ([]byte, error) {
		return append(dst, (*valueAt[[]UnknownTag[N]](at))[i].Value...), nil
	}
	f.decode = func(r *Reader, at place, tag N) error {
		p, err := Bytes.Decode(r)
		all := valueAt[[]UnknownTag[N]](at)
		*all = append(*all, UnknownTag[N]{tag, p})
		return err
	}
	return f
}

type tlv[N comparable, T any] struct {
	tag     Codec[N]
	length  *Length
	fields  []TagOf[N, T]
	byTag   map[N]int
	unknown int // the index of UnknownTags, or -1
}

func (c *tlv[N, T]) Append(dst []byte, v T) (_ []byte, err error) {
	at := placeOf(&v)
	for i := range c.fields {
		f := &c.fields[i]
		for k := range f.count(at.at(f.offset)) {
			if dst, err = c.appendOne(dst, f, at.at(f.offset), k); err != nil {
				return dst, WrapField(f.name, err)
			}
		}
	}
	return dst, nil
}

func (c *tlv[N, T]) appendOne(dst []byte, f *TagOf[N, T], at place, i int) ([]byte, error) {
	tag := f.tag
	if f.unknown {
		tag = (*valueAt[[]UnknownTag[N]](at))[i].Tag
		if _, known := c.byTag[tag]; known {
			return dst, because(ErrMismatch, "tag %v has a field of its own", tag)
		}
	}
	dst, err := c.tag.Append(dst, tag)
	if err != nil || c.length == nil {
		if err == nil {
			dst, err = f.append(dst, at, i)
		}
		return dst, err
	}
	start := len(dst)
	if dst, err = f.append(c.length.reserve(dst), at, i); err != nil {
		return dst, err
	}
	return c.length.put(dst, start, 0)
}

func (c *tlv[N, T]) Decode(r *Reader) (v T, err error) {
	var seen uint64
	for {
		if more, err := r.More(); err != nil {
			return v, err
		} else if !more {
			return v, c.complete(r, seen)
		}
		if err := c.decodeOne(r, placeOf(&v), &seen); err != nil {
			return v, err
		}
	}
}

// decodeOne decodes one field.
func (c *tlv[N, T]) decodeOne(r *Reader, at place, seen *uint64) error {
	start := r.Offset()
	tag, err := c.tag.Decode(r)
	if err != nil {
		return r.WrapField("tag", err)
	}
	i, known := c.byTag[tag]
	if !known {
		i = c.unknown
	}
	switch {
	case i < 0:
		return r.WrapField("tag", r.Fail(start, because(ErrMismatch, "unknown tag %v", tag)))
	case r.Offset() == start:
		return r.WrapField("tag", r.Fail(start, ErrNoProgress))
	}
	f := &c.fields[i]
	if *seen&(1<<i) != 0 && !f.many {
		return r.WrapField(f.name, r.Fail(start, because(ErrMismatch, "tag %v is there twice", tag)))
	}
	*seen |= 1 << i
	if c.length == nil {
		return r.WrapField(f.name, f.decode(r, at.at(f.offset), tag))
	}
	n, err := c.length.Decode(r)
	if err != nil {
		return r.WrapField(f.name, err)
	}
	outer, err := r.Limit(n)
	if err == nil {
		err = f.decode(r, at.at(f.offset), tag)
	}
	if err == nil {
		err = r.Unlimit(outer)
	}
	return r.WrapField(f.name, err)
}

// complete sees that what must be there was.
func (c *tlv[N, T]) complete(r *Reader, seen uint64) error {
	for i := range c.fields {
		if f := &c.fields[i]; f.required && seen&(1<<i) == 0 {
			return r.WrapField(f.name, r.Fail(r.Offset(), because(ErrMismatch, "tag %v is missing", f.tag)))
		}
	}
	return nil
}

func (c *tlv[N, T]) Size() Size { return Size{Max: Unbounded, Open: true} }
