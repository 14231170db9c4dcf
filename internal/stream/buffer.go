package stream

import "slices"

// Buffer holds what a [ByteSource] has received and not yet passed on. Its memory is borrowed when there is something
// to receive, and returned before a wait. The zero Buffer is empty.
type Buffer struct {
	blk  *block // nil while nothing is borrowed
	buf  []byte // of blk, or a separate slice; the bytes from r on are unread
	r    int
	size int8 // of the next block to borrow
}

// stashMax is how many bytes an idle connection keeps in its own slice instead of a borrowed block: the start of an
// incomplete value.
const stashMax = 64

// largeBlock is the smallest block that is too large for a connection that waits with little in it.
const largeBlock = 8 * blockSize

// Bytes returns the unread bytes. They stay unchanged until the next Space, Release or Prepend.
func (b *Buffer) Bytes() []byte { return b.buf[b.r:] }

// Len returns the length of Bytes.
func (b *Buffer) Len() int { return len(b.buf) - b.r }

// Clone returns a copy of p. Small copies share an arena that is never reused.
func (b *Buffer) Clone(p []byte) []byte { return b.blk.clone(p) }

// Discard drops the first n bytes and reports whether there are no more.
func (b *Buffer) Discard(n int) (empty bool) {
	if b.r += n; b.r < len(b.buf) {
		return false
	}
	b.buf, b.r = b.buf[:0], 0
	return true
}

// Add records that n bytes were written to the slice that Space returned.
func (b *Buffer) Add(n int) {
	b.buf = b.buf[:len(b.buf)+n]
	b.blk.most = max(b.blk.most, len(b.buf))
}

// Space returns room after the unread bytes, for want bytes in all if possible. Memory grows only when it is full of
// bytes that have arrived, whatever want is. The next block that is borrowed has the same size.
func (b *Buffer) Space(want int) []byte {
	if b.blk == nil {
		b.borrow()
	}
	if len(b.buf) < cap(b.buf) && (b.r == 0 || b.Len()+want <= cap(b.buf)-b.r) {
		return b.buf[len(b.buf):cap(b.buf)]
	}
	if b.r > 0 {
		b.buf, b.r = b.buf[:copy(b.buf, b.Bytes())], 0
	}
	if len(b.buf) == cap(b.buf) {
		b.grow()
	}
	return b.buf[len(b.buf):cap(b.buf)]
}

// borrow borrows a block and moves the unread bytes into it, unless they are too large.
func (b *Buffer) borrow() {
	b.blk = borrow(int(b.size))
	if rest := b.Bytes(); len(rest) < len(b.blk.buf) {
		b.buf, b.r = append(b.blk.buf[:0], rest...), 0
	}
}

// grow moves the unread bytes to a buffer of twice the size, or of the size before shrink.
func (b *Buffer) grow() {
	need, size := 2*cap(b.buf), max(b.blk.size, int(b.size))
	for size < sizes && blockSize<<size < need {
		size++
	}
	if size == sizes {
		b.buf = slices.Grow(b.buf, cap(b.buf))
		return
	}
	b.replace(borrow(size))
	b.size = int8(size)
}

// Release returns the memory before a wait, if it holds almost nothing. A large block that holds little is exchanged for
// a small one.
func (b *Buffer) Release() {
	if b.blk == nil {
		return
	}
	if b.Len() > stashMax {
		if b.Len() <= blockSize/2 && cap(b.buf) >= largeBlock {
			b.shrink()
		}
		return
	}
	var stash []byte
	if b.Len() > 0 {
		stash = append(make([]byte, 0, b.Len()), b.Bytes()...)
	}
	if b.blk.most <= len(b.blk.buf)/4 && b.size > 0 {
		b.size-- // it was larger than needed
	}
	b.blk.release()
	b.blk, b.buf, b.r = nil, stash, 0
}

// shrink moves the unread bytes to the smallest block.
func (b *Buffer) shrink() {
	b.replace(borrow(0))
	b.blk.most = len(b.buf)
}

// replace moves the unread bytes to next.
func (b *Buffer) replace(next *block) {
	b.buf, b.r = append(next.buf[:0], b.Bytes()...), 0
	b.blk.arena, next.arena, next.most = next.arena, b.blk.arena, b.blk.most
	b.blk.release()
	b.blk = next
}

// Prepend puts a copy of p before the unread bytes.
func (b *Buffer) Prepend(p []byte) {
	b.buf = append(append(make([]byte, 0, len(p)+b.Len()), p...), b.Bytes()...)
	b.r = 0
}
