package codec

import "fmt"

// TLV is a struct whose fields each stand behind their tag, in any order, up to the end of the frame around it, or of the
// stream: tag, length, value. Without a length, nil, each value must have an end of its own. They are sent in the order
// given here. A tag that no field has is refused, unless there are [UnknownTags]. Tags have the type that tag decodes to.
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
		case f.values == nil:
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
	values   tagValues[N]
}

// tagValues are the values of a field, which lie at a place.
type tagValues[N comparable] interface {
	count(at place) int
	tag(at place, i int, own N) N
	append(dst []byte, at place, i int) ([]byte, error)
	decode(r *Reader, at place, tag N) error // adds one
}

// RequiredTag is a field that must be there.
func RequiredTag[N comparable, T, F any](tag N, name string, access func(*T) *F, c Codec[F]) TagOf[N, T] {
	return TagOf[N, T]{tag: tag, name: name, offset: fieldOffset(name, access), size: SizeOf(notNil(c, "RequiredTag "+name)),
		required: true, values: oneTag[N, F]{c}}
}

// OptionalTag is a field that is nil if it is not there.
func OptionalTag[N comparable, T, F any](tag N, name string, access func(*T) **F, c Codec[F]) TagOf[N, T] {
	return TagOf[N, T]{tag: tag, name: name, offset: fieldOffset(name, access), size: SizeOf(notNil(c, "OptionalTag "+name)),
		values: optionalTag[N, F]{c}}
}

// RepeatedTag is a field that may be there several times.
func RepeatedTag[N comparable, T, F any](tag N, name string, access func(*T) *[]F, c Codec[F]) TagOf[N, T] {
	return TagOf[N, T]{tag: tag, name: name, offset: fieldOffset(name, access), size: SizeOf(notNil(c, "RepeatedTag "+name)),
		many: true, values: repeatedTag[N, F]{c}}
}

// UnknownTag is a field of a [TLV] that no other has the tag of.
type UnknownTag[N comparable] struct {
	Tag   N
	Value []byte
}

// UnknownTags keeps the fields that no other has the tag of, which are sent behind the others, or where it stands.
func UnknownTags[N comparable, T any](access func(*T) *[]UnknownTag[N]) TagOf[N, T] {
	return TagOf[N, T]{name: "unknown", offset: fieldOffset("unknown", access), many: true, unknown: true, values: unknownTags[N]{}}
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
		for k := range f.values.count(at.at(f.offset)) {
			if dst, err = c.appendOne(dst, f, at.at(f.offset), k); err != nil {
				return dst, WrapField(f.name, err)
			}
		}
	}
	return dst, nil
}

func (c *tlv[N, T]) appendOne(dst []byte, f *TagOf[N, T], at place, i int) ([]byte, error) {
	tag := f.values.tag(at, i, f.tag)
	if _, known := c.byTag[tag]; known && f.unknown {
		return dst, because(ErrMismatch, "tag %v has a field of its own", tag)
	}
	dst, err := c.tag.Append(dst, tag)
	if err != nil || c.length == nil {
		if err == nil {
			dst, err = f.values.append(dst, at, i)
		}
		return dst, err
	}
	start := len(dst)
	if dst, err = f.values.append(c.length.reserve(dst), at, i); err != nil {
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
		return r.WrapField(f.name, f.values.decode(r, at.at(f.offset), tag))
	}
	n, err := c.length.Decode(r)
	if err != nil {
		return r.WrapField(f.name, err)
	}
	outer, err := r.Limit(n)
	if err == nil {
		err = f.values.decode(r, at.at(f.offset), tag)
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

type oneTag[N comparable, F any] struct{ c Codec[F] }

func (oneTag[N, F]) count(place) int             { return 1 }
func (oneTag[N, F]) tag(_ place, _ int, own N) N { return own }

func (f oneTag[N, F]) append(dst []byte, at place, _ int) ([]byte, error) {
	return f.c.Append(dst, *valueAt[F](at))
}

func (f oneTag[N, F]) decode(r *Reader, at place, _ N) (err error) {
	*valueAt[F](at), err = f.c.Decode(r)
	return err
}

type optionalTag[N comparable, F any] struct{ c Codec[F] }

func (optionalTag[N, F]) count(at place) int {
	if *valueAt[*F](at) == nil {
		return 0
	}
	return 1
}

func (optionalTag[N, F]) tag(_ place, _ int, own N) N { return own }

func (f optionalTag[N, F]) append(dst []byte, at place, _ int) ([]byte, error) {
	return f.c.Append(dst, **valueAt[*F](at))
}

func (f optionalTag[N, F]) decode(r *Reader, at place, _ N) error {
	v, err := f.c.Decode(r)
	*valueAt[*F](at) = &v
	return err
}

type repeatedTag[N comparable, F any] struct{ c Codec[F] }

func (repeatedTag[N, F]) count(at place) int          { return len(*valueAt[[]F](at)) }
func (repeatedTag[N, F]) tag(_ place, _ int, own N) N { return own }

func (f repeatedTag[N, F]) append(dst []byte, at place, i int) ([]byte, error) {
	return f.c.Append(dst, (*valueAt[[]F](at))[i])
}

func (f repeatedTag[N, F]) decode(r *Reader, at place, _ N) error {
	v, err := f.c.Decode(r)
	all := valueAt[[]F](at)
	*all = append(*all, v)
	return err
}

type unknownTags[N comparable] struct{}

func (unknownTags[N]) count(at place) int         { return len(*valueAt[[]UnknownTag[N]](at)) }
func (unknownTags[N]) tag(at place, i int, _ N) N { return (*valueAt[[]UnknownTag[N]](at))[i].Tag }

func (unknownTags[N]) append(dst []byte, at place, i int) ([]byte, error) {
	return append(dst, (*valueAt[[]UnknownTag[N]](at))[i].Value...), nil
}

func (unknownTags[N]) decode(r *Reader, at place, tag N) error {
	p, err := Bytes.Decode(r)
	all := valueAt[[]UnknownTag[N]](at)
	*all = append(*all, UnknownTag[N]{tag, p})
	return err
}
