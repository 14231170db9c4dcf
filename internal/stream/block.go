package stream

import "sync"

const (
	blockSize = 32 << 10 // of a buffer that a connection borrows while bytes are at hand
	sizes     = 5        // of blocks, each twice as large as the one before: up to 512 KiB
	arenaSize = 4 << 10  // shared by small owned copies
	arenaMax  = 1 << 10  // the largest copy that shares
)

// block is a borrowed buffer and the arena that goes with it: an idle connection has neither.
type block struct {
	buf   []byte // blockSize<<size bytes
	size  int
	arena []byte
	used  int // arena[:used] belongs to others
}

// blocks are the ones that nobody has borrowed, by their size.
var blocks [sizes]sync.Pool

// borrow returns a block of the given size, which is less than sizes.
func borrow(size int) *block {
	if b, ok := blocks[size].Get().(*block); ok {
		return b
	}
	return &block{buf: make([]byte, blockSize<<size), size: size}
}

// release ends the borrowing of b, if that is not nil.
func (b *block) release() {
	if b != nil {
		blocks[b.size].Put(b)
	}
}

// moveArena lets the next block go on with the arena of b.
func (b *block) moveArena(next *block) {
	b.arena, next.arena = next.arena, b.arena
	b.used, next.used = next.used, b.used
}

// clone returns a copy of p whose capacity is its length.
func (b *block) clone(p []byte) []byte {
	if b == nil || len(p) > arenaMax {
		return append(make([]byte, 0, len(p)), p...)
	}
	if len(p) > len(b.arena)-b.used {
		b.arena, b.used = make([]byte, arenaSize), 0
	}
	end := b.used + len(p)
	c := b.arena[b.used:end:end]
	b.used = end
	copy(c, p)
	return c
}
