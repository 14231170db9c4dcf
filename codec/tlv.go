package codec

// TLV is a struct of tagged fields: tag, length, value, in any order, up to the end of the enclosing frame or stream.
// If length is nil, each value must have an end of its own. Fields are sent in the order given here. An unknown tag is
// rejected unless there are [UnknownTags]. Tags have the type that the codec tag decodes to.
//
//	TLV(Uint8, NewLength(Uint8),
//		RequiredTag(uint8(1), "name", func(o *Options) *string { return &o.Name }, String),
//		OptionalTag(uint8(2), "port", func(o *Options) **uint16 { return &o.Port }, Uint16),
//		UnknownTags(func(o *Options) *[]UnknownTag[uint8] { return &o.Unknown }))
//
//	Options{Name: "a"}:
//	| 01 | 01 | 61 |
func TLV[N comparable, T any](tag Codec[N], length *Length, fields ...TagOf[N, T]) Codec[T] {
	notNil(tag, "TLV: tag")
	refuse(len(fields) == 0 || len(fields) > 64, "TLV: 1 to 64 fields are possible, got %d", len(fields))
	c := &tlv[N, T]{tag: ended("TLV: tag", tag), length: length, fields: fields, byTag: map[N]int{}, unknown: -1}
	for i, f := range fields {
		_, twice := c.byTag[f.tag]
		refuse(f.count == nil, "TLV: field %d was not made by RequiredTag, OptionalTag, RepeatedTag or UnknownTags", i)
		refuse(f.unknown && (length == nil || c.unknown >= 0), "TLV: at most one UnknownTags is allowed, and only with a length")
		refuse(twice && !f.unknown, "TLV: duplicate tag %v", f.tag)
		if f.unknown {
			c.unknown = i
		} else {
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
	append func(dst []byte, at place, i int, framed bool) ([]byte, error)
	decode func(r *Reader, at place, i int, framed bool) error // into an existing value, or a new one after the last
}

// RequiredTag is a field that must be present.
func RequiredTag[N comparable, T, F any](tag N, name string, access func(*T) *F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T](name, fieldOffset(name, access), c,
		func(place) int { return 1 },
		func(at place, _ int) *F { return valueAt[F](at) })
	f.tag, f.required = tag, true
	return f
}

// OptionalTag is a field that is nil if it is absent.
func OptionalTag[N comparable, T, F any](tag N, name string, access func(*T) **F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T](name, fieldOffset(name, access), c,
		func(at place) int {
			if *valueAt[*F](at) == nil {
				return 0
			}
			return 1
		},
		func(at place, _ int) *F {
			p := valueAt[*F](at)
			if *p == nil {
				*p = new(F)
			}
			return *p
		})
	f.tag = tag
	return f
}

// RepeatedTag is a field that may be present several times, up to 1,048,576.
func RepeatedTag[N comparable, T, F any](tag N, name string, access func(*T) *[]F, c Codec[F]) TagOf[N, T] {
	f := newTag[N, T](name, fieldOffset(name, access), c,
		func(at place) int { return len(*valueAt[[]F](at)) },
		func(at place, i int) *F {
			all := valueAt[[]F](at)
			if i == len(*all) {
				*all = append(*all, *new(F))
			}
			return &(*all)[i]
		})
	f.tag, f.many = tag, true
	return f
}

// newTag returns a field. slot returns the place of its value number i, and adds it if it is missing.
func newTag[N comparable, T, F any](name string, offset uintptr, c Codec[F], count func(place) int, slot func(at place, i int) *F) TagOf[N, T] {
	notNil(c, "TLV: "+name)
	of := func(framed bool) Codec[F] {
		if framed || !SizeOf(c).varies {
			return c
		}
		return endedCodec[F]{c}
	}
	return TagOf[N, T]{
		name: name, offset: offset, size: SizeOf(c), count: count,
		append: func(dst []byte, at place, i int, framed bool) ([]byte, error) {
			return of(framed).Append(dst, *slot(at, i))
		},
		decode: func(r *Reader, at place, i int, framed bool) error {
			v, err := of(framed).Decode(r)
			*slot(at, i) = v
			return err
		},
	}
}

// UnknownTag is a field of a [TLV] with a tag that no other field has.
type UnknownTag[N comparable] struct {
	Tag   N
	Value []byte
}

// UnknownTags keeps the fields with unknown tags. They are sent at its position among the fields.
func UnknownTags[N comparable, T any](access func(*T) *[]UnknownTag[N]) TagOf[N, T] {
	value := Map(Bytes,
		func(p []byte) (UnknownTag[N], error) { return UnknownTag[N]{Value: p}, nil },
		func(u UnknownTag[N]) ([]byte, error) { return u.Value, nil })
	f := RepeatedTag(*new(N), "unknown", access, value)
	f.unknown = true
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
	at := placeOf(&v).hidden()
	for i := range c.fields {
		f := &c.fields[i]
		n := f.count(at.at(f.offset))
		if n > DefaultMaxCount {
			return dst, WrapField(f.name, tooLarge("count", uint64(n), DefaultMaxCount))
		}
		for k := range n {
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
	if err != nil {
		return dst, err
	}
	if c.length == nil {
		return f.append(dst, at, i, false)
	}
	start := len(dst)
	if dst, err = f.append(c.length.reserve(dst), at, i, true); err != nil {
		return dst, err
	}
	return c.length.put(dst, start, 0)
}

func (c *tlv[N, T]) Decode(r *Reader) (v T, err error) {
	var seen uint64
	for {
		if more, err := r.moreRest(); err != nil {
			return v, err
		} else if !more {
			return v, c.complete(r, seen)
		}
		if err := c.decodeOne(r, placeOf(&v).hidden(), &seen); err != nil {
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
		return r.WrapField(f.name, r.Fail(start, because(ErrMismatch, "duplicate tag %v", tag)))
	}
	*seen |= 1 << i
	return r.WrapField(f.name, c.decodeValue(r, f, at.at(f.offset), tag))
}

func (c *tlv[N, T]) decodeValue(r *Reader, f *TagOf[N, T], at place, tag N) error {
	i := 0
	if f.many {
		i = f.count(at)
	}
	if i == DefaultMaxCount {
		return r.Fail(r.Offset(), because(ErrTooLarge, "more than %d values", i))
	}
	if c.length == nil {
		return f.decode(r, at, i, false)
	}
	n, err := c.length.Decode(r)
	if err != nil {
		return err
	}
	outer, err := r.Limit(n)
	if err != nil {
		return err
	}
	if err := f.decode(r, at, i, true); err != nil {
		return err
	}
	if f.unknown {
		(*valueAt[[]UnknownTag[N]](at))[i].Tag = tag
	}
	return r.Unlimit(outer)
}

// complete returns an error if a required field is missing.
func (c *tlv[N, T]) complete(r *Reader, seen uint64) error {
	for i := range c.fields {
		if f := &c.fields[i]; f.required && seen&(1<<i) == 0 {
			return r.WrapField(f.name, r.Fail(r.Offset(), because(ErrMismatch, "tag %v is missing", f.tag)))
		}
	}
	return nil
}

func (c *tlv[N, T]) Size() Size { return Size{Max: Unbounded, Open: true} }
