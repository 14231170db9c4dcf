package codec

import (
	"cmp"
	"sync"
	"sync/atomic"
)

// Recursive is a codec that contains itself. build returns it, given self, which stands for the codec. Its values nest
// at most [MaxDepth] deep in both directions; deeper ones are ErrTooDeep. build is called once for each level of nesting
// that is encoded, at once for the first and for others when a value reaches them, so the codec of a level knows its
// depth; the first one decodes all levels. For types that contain each other use one Recursive of a [OneOf]: encoding
// counts the levels of another one that build makes anew in each level, so they multiply; decoding accepts MaxDepth of
// them in all.
//
//	a Record of a name and of children, Repeated(Uint8, self); Tree{Name: "a", Children: []Tree{{Name: "b"}}}:
//	| 01 | 61 | 01 | 01 | 62 | 00 |
func Recursive[T any](build func(self Codec[T]) Codec[T]) Codec[T] {
	refuse(build == nil, "Recursive: build is nil")
	top := level(build, 0, nil)
	top.get() // so that its size is known
	return top
}

var errTooDeep = because(ErrTooDeep, "nested more than %d deep", MaxDepth)

// level returns the codec of the values at one depth. The first level has no top.
func level[T any](build func(self Codec[T]) Codec[T], depth int, top *recursive[T]) *recursive[T] {
	c := &recursive[T]{}
	c.top = cmp.Or(top, c)
	if depth == MaxDepth {
		c.get = func() Codec[T] { return noCodec[T]{errTooDeep} }
		return c
	}
	c.get = sync.OnceValue(func() Codec[T] {
		built := notNil(build(level(build, depth+1, c.top)), "Recursive")
		size := SizeOf(built)
		c.size.Store(&size)
		return built
	})
	return c
}

type recursive[T any] struct {
	top  *recursive[T] // the first level
	get  func() Codec[T]
	size atomic.Pointer[Size] // of the codec, once it is built
}

func (c *recursive[T]) Append(dst []byte, v T) ([]byte, error) { return c.get().Append(dst, v) }
func (c *recursive[T]) opensFor(v T) bool                      { return opens(c.get(), v) }

// Decode counts the levels in r, so that none needs a codec of its own because of what a peer sends.
func (c *recursive[T]) Decode(r *Reader) (v T, err error) {
	depth := r.depthOf(c.top)
	if *depth >= MaxDepth {
		return v, r.Fail(r.Offset(), errTooDeep)
	}
	*depth++
	defer r.leave(c.top)
	return c.top.get().Decode(r)
}

// nesting is how deep the values of one Recursive nest at the place of a Reader.
type nesting struct {
	top   any
	depth int
}

// leave undoes one increment of the depth of a Recursive. The first to nest is the last to leave, so the end of r.nested
// is its own if no value is left.
func (r *Reader) leave(top any) {
	depth := r.depthOf(top)
	if *depth--; *depth == 0 {
		last := len(r.nested) - 1
		r.nested[last] = nesting{} // holds no codec
		r.nested = r.nested[:last]
	}
}

// depthOf returns the depth of the values of a Recursive, which is valid until values of another one nest.
func (r *Reader) depthOf(top any) *int {
	for i := range r.nested {
		if r.nested[i].top == top {
			return &r.nested[i].depth
		}
	}
	r.nested = append(r.nested, nesting{top: top})
	return &r.nested[len(r.nested)-1].depth
}

// Size is that of a level, and unknown while the level is being built.
func (c *recursive[T]) Size() Size {
	if s := c.size.Load(); s != nil {
		return *s
	}
	return unknownSize
}
