package queue

// entry is a value and its weight. A negative weight marks a place where that many values were lost.
type entry[T any] struct {
	v T
	w int
}

// backlog holds the values of a queue.
type backlog[T any] struct {
	entries Ring[entry[T]]
	weight  int    // of the values and of reserved room
	dropped uint64 // number of values dropped so far

	marks bool // lost values leave a mark
	keeps bool // dropped values are collected in left
	left  []T  // see keeps
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

// dropOldest drops the first value and leaves a mark in its place.
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

// dropNewest drops v, which would be the last value.
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

// clear drops everything without counting it as lost.
func (b *backlog[T]) clear() {
	for b.keeps && b.entries.Len() > 0 {
		if e := b.shift(); e.w > 0 {
			b.left = append(b.left, e.v)
		}
	}
	b.entries, b.weight = Ring[entry[T]]{}, 0
}
