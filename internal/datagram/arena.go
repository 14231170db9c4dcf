package datagram

const (
	smallMax  = 256      // the largest payload that shares a small arena
	mediumMax = 4 << 10  // the largest that shares a medium one; larger ones have their own memory
	small     = 3 << 10  // bytes of a small arena; see the arena of package stream
	medium    = 32 << 10 // of a medium one
)

// arena allocates memory that is never reused. A payload belongs to its receiver, and many share one allocation. There
// are two sizes, so that a retained payload keeps little other memory alive.
type arena struct{ small, medium []byte }

// clone returns a copy of p whose capacity is its length.
func (a *arena) clone(p []byte) []byte {
	switch n := len(p); {
	case n == 0:
		return []byte{}
	case n <= smallMax:
		return carve(&a.small, small, p)
	case n <= mediumMax:
		return carve(&a.medium, medium, p)
	default:
		return append(make([]byte, 0, n), p...)
	}
}

func carve(rest *[]byte, size int, p []byte) []byte {
	n := len(p)
	if n > len(*rest) {
		*rest = make([]byte, size)
	}
	c := (*rest)[:n:n]
	*rest = (*rest)[n:]
	copy(c, p)
	return c
}
