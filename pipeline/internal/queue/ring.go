package queue

// Ring is a first-in, first-out buffer that grows as it is filled. The zero Ring is empty and holds no memory.
type Ring[T any] struct {
	slots   []T // a power of two
	head, n int
}

// Len returns the number of values.
func (r *Ring[T]) Len() int { return r.n }

// At returns a pointer to the i-th value, counted from the front. It is valid until the next Push.
func (r *Ring[T]) At(i int) *T { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

// Push adds v at the back.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.slots) {
		twice := make([]T, max(1, 2*r.n))
		copy(twice[copy(twice, r.slots[r.head:]):], r.slots[:r.head])
		r.slots, r.head = twice, 0
	}
	r.n++
	*r.At(r.n - 1) = v
}

// Shift takes the value at the front.
func (r *Ring[T]) Shift() T {
	var none T
	first := r.At(0)
	v := *first
	*first = none
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	return v
}

// Unshift puts v back at the front, after a Shift.
func (r *Ring[T]) Unshift(v T) {
	r.head = (r.head - 1) & (len(r.slots) - 1)
	r.n++
	*r.At(0) = v
}

// TakeAll empties the ring and returns what it held.
func (r *Ring[T]) TakeAll() []T {
	all := make([]T, r.n)
	copy(all[copy(all, r.slots[r.head:min(r.head+r.n, len(r.slots))]):], r.slots)
	*r = Ring[T]{}
	return all
}
