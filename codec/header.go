package codec

// Header is a tag that picks the codec of the body after it; when encoding, the value says which tag that is. body
// returns nil for a tag that it does not know, which is an error in either direction; it is called for each frame and
// returns codecs built beforehand. A body that is open-ended is rejected where others follow. For a value that keeps
// its tag, see [PairBy].
//
//	Header(Uint8, body, tagOf), a text with the tag 1:
//	| 01 | 00 | 02 | 68 | 69 |
func Header[H, T any](tag Codec[H], body func(H) Codec[T], tagOf func(T) H) Codec[T] {
	notNil(tag, "Header: tag")
	refuse(body == nil || tagOf == nil, "Header: both functions are needed")
	return header[H, T]{ended("Header: tag", tag), body, func(v T) (H, error) { return tagOf(v), nil }, unknownSize}
}

type header[H, T any] struct {
	tag   Codec[H]
	body  func(H) Codec[T]
	tagOf func(T) (H, error)
	size  Size // of the bodies
}

func (c header[H, T]) Append(dst []byte, v T) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c header[H, T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	h, err := c.tagOf(v)
	if err != nil {
		return dst, nil, err
	}
	codec := c.body(h)
	if codec == nil {
		return dst, nil, because(ErrMismatch, "unknown tag %v", h)
	}
	if dst, err = c.tag.Append(dst, h); err != nil {
		return dst, nil, WrapField("tag", err)
	}
	return appendHead(codec, dst, v)
}

func (c header[H, T]) Decode(r *Reader) (v T, err error) {
	start := r.Offset()
	h, err := c.tag.Decode(r)
	if err != nil {
		return v, r.WrapField("tag", err)
	}
	body := c.body(h)
	if body == nil {
		return v, r.WrapField("tag", r.Fail(start, because(ErrMismatch, "unknown tag %v", h)))
	}
	return body.Decode(r)
}

func (c header[H, T]) opensFor(v T) bool {
	h, err := c.tagOf(v)
	return err == nil && opens(c.body(h), v)
}

func (c header[H, T]) Size() Size { return SizeOf(c.tag).plus(c.size) }

// FirstByte is one of several codecs, selected by the first byte of the frame, which the selected codec decodes too.
// receive returns the codec for a first byte and send the codec for a value; nil is an error. Both return codecs built
// beforehand.
//
//	FirstByte(
//		func(b byte) Codec[Packet] { return packets[b>>4] },
//		func(p Packet) Codec[Packet] { return packets[p.Kind()] })
func FirstByte[T any](receive func(first byte) Codec[T], send func(v T) Codec[T]) Codec[T] {
	refuse(receive == nil || send == nil, "FirstByte: both functions are needed")
	return firstByte[T]{receive, send}
}

type firstByte[T any] struct {
	receive func(first byte) Codec[T]
	send    func(v T) Codec[T]
}

func (c firstByte[T]) Append(dst []byte, v T) ([]byte, error) { return joined(c.AppendHead(dst, v)) }

func (c firstByte[T]) AppendHead(dst []byte, v T) (head, body []byte, err error) {
	codec := c.send(v)
	if codec == nil {
		return dst, nil, because(ErrMismatch, "no codec for %T", v)
	}
	start := len(dst)
	if head, body, err = appendHead(codec, dst, v); err != nil {
		return dst, nil, err
	}
	first := head[start:]
	if len(first) == 0 {
		first = body
	}
	if len(first) == 0 {
		return dst, nil, because(ErrNoProgress, "a value of no bytes has no first byte")
	}
	if c.receive(first[0]) == nil {
		return dst, nil, because(ErrMismatch, "unknown first byte %#02x", first[0])
	}
	return head, body, nil
}

func (c firstByte[T]) Decode(r *Reader) (v T, err error) {
	p, err := r.Peek(1)
	if err != nil {
		return v, err
	}
	codec := c.receive(p[0])
	if codec == nil {
		return v, r.Fail(r.Offset(), because(ErrMismatch, "unknown first byte %#02x", p[0]))
	}
	return codec.Decode(r)
}

func (c firstByte[T]) opensFor(v T) bool { return opens(c.send(v), v) }

func (firstByte[T]) Size() Size { return Size{Min: 1, Max: Unbounded, varies: true} }

// OneOf is a value of one of the types that implement I, after its tag: a sum type. Tags have the type that the codec
// tag decodes to. A [Default] keeps values with other tags.
//
//	OneOf(Uint8, Case[Shape](uint8(1), circleCodec), Case[Shape](uint8(2), squareCodec)), Square(3):
//	| 02 | 03 |
func OneOf[N comparable, I any](tag Codec[N], cases ...CaseOf[N, I]) Codec[I] {
	notNil(tag, "OneOf: tag")
	refuse(len(cases) == 0, "OneOf: at least one Case is needed")
	bodies, size := map[N]Codec[I]{}, Size{Min: Unbounded}
	var other *CaseOf[N, I]
	for i := range cases {
		one := &cases[i]
		refuse(one.body == nil, "OneOf: case %d was not made by Case or Default", i)
		size = size.or(one.size)
		if one.other {
			refuse(other != nil, "OneOf: more than one Default")
			other = one
			continue
		}
		refuse(bodies[one.tag] != nil, "OneOf: duplicate tag %v", one.tag)
		bodies[one.tag] = one.body(one.tag)
	}
	body := func(tag N) Codec[I] {
		if c := bodies[tag]; c != nil || other == nil {
			return c
		}
		return other.body(tag)
	}
	tagOf := func(v I) (N, error) {
		for i := range cases {
			tag, mine := cases[i].tagOf(v)
			switch {
			case !mine:
			case cases[i].other && bodies[tag] != nil:
				return tag, because(ErrMismatch, "tag %v has a Case of its own", tag)
			default:
				return tag, nil
			}
		}
		return *new(N), because(ErrMismatch, "no case for type %T", v)
	}
	return header[N, I]{ended("OneOf: tag", tag), body, tagOf, size}
}

// CaseOf is one alternative of a [OneOf], made by [Case] or [Default].
type CaseOf[N comparable, I any] struct {
	tag   N
	other bool // it has all tags that no other case has
	size  Size
	body  func(tag N) Codec[I]
	tagOf func(v I) (tag N, mine bool)
}

// Case returns the alternative for values of I with type T, which have this tag and this codec. If T has several Cases,
// such as one for a tag of an older version, values are encoded by the first. Case panics if T does not implement I.
func Case[I, T any, N comparable](tag N, c Codec[T]) CaseOf[N, I] {
	body := caseBody[I]("Case", c, func(v T) T { return v }, func(v T) T { return v })
	return CaseOf[N, I]{
		tag: tag, size: SizeOf(c),
		body: func(N) Codec[I] { return body },
		tagOf: func(v I) (N, bool) {
			_, mine := any(v).(T)
			return tag, mine
		},
	}
}

// Default returns the alternative for all tags without a [Case]: c decodes the body, and join combines the tag and body
// into a T; split separates them again. A T with the tag of a Case is rejected. It panics if T does not implement I.
//
//	Default[Shape](Bytes,
//		func(tag uint8, body []byte) Unknown { return Unknown{tag, body} },
//		func(u Unknown) (uint8, []byte) { return u.Tag, u.Body })
func Default[I, T, B any, N comparable](c Codec[B], join func(tag N, body B) T, split func(T) (N, B)) CaseOf[N, I] {
	refuse(join == nil || split == nil, "Default: both functions are needed")
	body := func(tag N) Codec[I] {
		return caseBody[I]("Default", c,
			func(b B) T { return join(tag, b) },
			func(v T) B { _, b := split(v); return b })
	}
	body(*new(N)) // refuses what cannot work
	return CaseOf[N, I]{
		other: true, size: SizeOf(c), body: body,
		tagOf: func(v I) (tag N, mine bool) {
			t, mine := any(v).(T)
			if mine {
				tag, _ = split(t)
			}
			return tag, mine
		},
	}
}

// caseBody returns the codec of the bytes after a tag, as a codec of I.
func caseBody[I, T, B any](where string, c Codec[B], join func(B) T, split func(T) B) Codec[I] {
	notNil(c, where)
	var zero T
	_, ok := any(zero).(I)
	refuse(!ok, "%s: %T does not implement %T", where, zero, (*I)(nil))
	return Map(c,
		func(b B) (I, error) { return any(join(b)).(I), nil },
		func(v I) (B, error) { return split(any(v).(T)), nil })
}
