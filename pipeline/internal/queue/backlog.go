package queue

// entry is a value with its weight, or, if that is negative, a mark: as many values were lost in this place.
type entry[T any] struct {
	v T
	w int
}

// backlog is what a queue holds.
type backlog[T any] struct {
	entries Ring[entry[T]]
	weight  int    // of the values, and of the room that is reserved
	dropped uint64 // values, ever

	marks bool // values that were lost leave a mark
	keeps bool // values that were dropped are left to somebody
	left  []T  // these
}

func (b *backlog[T]) push(v T, w int) {
	b.entries.Push(entry[T]{v, w})
	b.weight += w
}

func (b *backlog[T]) shift() entry[T] {
	e := b.entries.Shift()
	b.weight -= max(e.w, 0)
	return e
}

// dropOldest drops the first value, and puts a mark in its place.
func (b *backlog[T]) dropOldest() {
	lost := 1
	first := b.shift()
	if first.w < 0 {
		lost -= first.w
		first = b.shift()
	}
	b.drop(first.v)
	if b.marks {
		b.entries.Unshift(entry[T]{w: -lost})
	}
}

// dropNewest drops v, which comes behind all others.
func (b *backlog[T]) dropNewest(v T) {
	b.drop(v)
	if n := b.entries.Len(); n > 0 && b.entries.At(n-1).w < 0 {
		b.entries.At(n-1).w--
	} else if b.marks {
		b.entries.Push(entry[T]{w: -1})
	}
}

func (b *backlog[T]) drop(v T) {
	b.dropped++
	if b.keeps {
		b.left = append(b.left, v)
	}
}

// clear drops everything, which was not lost.
func (b *backlog[T]) clear() {
	for b.keeps && b.entries.Len() > 0 {
		if e := b.shift(); e.w > 0 {
			b.left = append(b.left, e.v)
		}
	}
	b.entries, b.weight = Ring[entry[T]]{}, 0
}
