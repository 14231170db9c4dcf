package stream

import "github.com/weir-go/weir/internal/pool"

const (
	blockSize = 32 << 10 // of a buffer that a connection borrows while bytes are at hand
	sizes     = 5        // of blocks, each twice as large as the one before: up to 512 KiB
	arenaSize = 3 << 10  // shared by small owned copies; with 4 KiB, two to a span, copies of 64 B take half as long again
	arenaMax  = 1 << 10  // the largest copy that shares
)

// block is a borrowed buffer and its arena. An idle connection has neither.
type block struct {
	buf   []byte // blockSize<<size bytes
	size  int
	most  int // the most bytes in it since it was borrowed
	arena Arena
}

// blocks holds the blocks not in use, by size.
var blocks [sizes]pool.Pool[block]

// borrow returns a block of the given size, which is less than sizes.
func borrow(size int) *block {
	if b := blocks[size].Get(); b != nil {
		return b
	}
	return &block{buf: make([]byte, blockSize<<size), size: size}
}

// release returns b to the pool. b may be nil.
func (b *block) release() {
	if b != nil {
		b.most = 0
		blocks[b.size].Put(b)
	}
}

// clone returns a copy of p whose capacity is its length.
func (b *block) clone(p []byte) []byte {
	if b == nil {
		return cloneAlone(p)
	}
	return b.arena.Clone(p)
}

// cloneAlone returns a copy of p that shares no memory. The compiler does not clear memory that is made for one copy.
func cloneAlone(p []byte) []byte {
	c := make([]byte, len(p))
	copy(c, p)
	return c
}

// Arena makes copies. Small ones share memory that is never reused. The zero Arena is ready to use.
type Arena struct {
	buf  []byte
	used int // buf[:used] belongs to others
}

// Clone returns a copy of p whose capacity is its length.
func (a *Arena) Clone(p []byte) []byte {
	if len(p) > arenaMax {
		return cloneAlone(p)
	}
	if len(p) > len(a.buf)-a.used {
		a.buf, a.used = make([]byte, arenaSize), 0
	}
	end := a.used + len(p)
	c := a.buf[a.used:end:end]
	a.used = end
	copy(c, p)
	return c
}
