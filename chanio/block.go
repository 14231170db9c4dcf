package chanio

import "sync"

const (
	blockSize = 32 << 10 // of a buffer that a connection borrows while bytes are at hand
	arenaSize = 4 << 10  // shared by small owned copies
	arenaMax  = 1 << 10  // the largest copy that shares
)

// block is a borrowed buffer and the arena that goes with it: an idle connection has neither.
type block struct {
	buf   []byte // blockSize bytes
	arena []byte
	used  int // arena[:used] belongs to others
}

var blocks = sync.Pool{New: func() any { return &block{buf: make([]byte, blockSize)} }}

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
