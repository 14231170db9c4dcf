package codec

import (
	"sync"
	"sync/atomic"
)

// Recursive is a codec that contains itself. build returns it, given self, which stands for the codec. Values nest at
// most [MaxDepth] deep in both directions; deeper ones are ErrTooDeep. build is called once for each level of nesting,
// at once for the first and for others when a value reaches them, so the codec of a level knows its depth. For types
// that contain each other use one Recursive of a [OneOf], since the levels of one that build makes within another
// multiply.
//
//	a Record of a name and of children, Repeated(Uint8, self); Tree{Name: "a", Children: []Tree{{Name: "b"}}}:
//	| 01 | 61 | 01 | 01 | 62 | 00 |
func Recursive[T any](build func(self Codec[T]) Codec[T]) Codec[T] {
	refuse(build == nil, "Recursive: build is nil")
	top := level(build, 0)
	top.get() // so that its size is known
	return top
}

var errTooDeep = because(ErrTooDeep, "nested more than %d deep", MaxDepth)

// level returns the codec of the values at one depth.
func level[T any](build func(self Codec[T]) Codec[T], depth int) *recursive[T] {
	c := &recursive[T]{}
	if depth == MaxDepth {
		c.get = func() Codec[T] { return noCodec[T]{errTooDeep} }
		return c
	}
	c.get = sync.OnceValue(func() Codec[T] {
		built := notNil(build(level(build, depth+1)), "Recursive")
		size := SizeOf(built)
		c.size.Store(&size)
		return built
	})
	return c
}

type recursive[T any] struct {
	get  func() Codec[T]
	size atomic.Pointer[Size] // of the codec, once it is built
}

func (c *recursive[T]) Append(dst []byte, v T) ([]byte, error) { return c.get().Append(dst, v) }
func (c *recursive[T]) Decode(r *Reader) (T, error)            { return c.get().Decode(r) }
func (c *recursive[T]) opensFor(v T) bool                      { return opens(c.get(), v) }

// Size is that of a level, and unknown while the level is being built.
func (c *recursive[T]) Size() Size {
	if s := c.size.Load(); s != nil {
		return *s
	}
	return unknownSize
}
