package stream

// Buffer holds what a [ByteSource] has received and not yet passed on. Its memory is borrowed when there is something
// to receive, and returned before a wait. The zero Buffer is empty.
type Buffer struct {
	blk  *block // nil while nothing is borrowed
	buf  []byte // of blk, or a separate slice
	r, w int    // unread are buf[r:w]
	most int    // the maximum of w since the block was borrowed
	size int8   // of the next block to borrow
}

// stashMax is how many bytes an idle connection keeps in its own slice instead of a borrowed block: the start of an
// incomplete value.
const stashMax = 64

// largeBlock is the smallest block that is too large for a connection that waits with little in it.
const largeBlock = 8 * blockSize

// Bytes returns the unread bytes. They stay unchanged until the next Space, Release or Prepend.
func (b *Buffer) Bytes() []byte { return b.buf[b.r:b.w] }

// Len returns the length of Bytes.
func (b *Buffer) Len() int { return b.w - b.r }

// Clone returns a copy of p. Small copies share an arena that is never reused.
func (b *Buffer) Clone(p []byte) []byte { return b.blk.clone(p) }

// Discard drops the first n bytes and reports whether there are no more.
func (b *Buffer) Discard(n int) (empty bool) {
	if b.r += n; b.r < b.w {
		return false
	}
	b.r, b.w = 0, 0
	return true
}

// Add records that n bytes were written to the slice that Space returned.
func (b *Buffer) Add(n int) {
	b.w += n
	b.most = max(b.most, b.w)
}

// Space returns room after the unread bytes, for want bytes in all if possible. Memory grows only when it is full of
// bytes that have arrived, whatever want is. The next block that is borrowed has the same size.
func (b *Buffer) Space(want int) []byte {
	if b.blk == nil {
		b.borrow()
	}
	if b.w < len(b.buf) && (b.r == 0 || b.w-b.r+want <= len(b.buf)-b.r) {
		return b.buf[b.w:]
	}
	if b.r > 0 {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
	if b.w == len(b.buf) {
		b.grow()
	}
	return b.buf[b.w:]
}

// borrow borrows a block and moves the unread bytes into it, unless they are too large.
func (b *Buffer) borrow() {
	b.blk = borrow(int(b.size))
	if rest := b.Bytes(); len(rest) < len(b.blk.buf) {
		b.buf = b.blk.buf
		b.w = copy(b.buf, rest)
		b.r = 0
	}
}

// grow moves the unread bytes to a buffer of twice the size, or of the size before shrink.
func (b *Buffer) grow() {
	need, size := 2*len(b.buf), max(b.blk.size, int(b.size))
	for size < sizes && blockSize<<size < need {
		size++
	}
	if size == sizes {
		b.buf = append(b.buf, make([]byte, len(b.buf))...)
		return
	}
	next := borrow(size)
	copy(next.buf, b.buf)
	b.blk.arena, next.arena = next.arena, b.blk.arena
	b.blk.release()
	b.blk, b.buf, b.size = next, next.buf, int8(size)
}

// Release returns the memory before a wait, if it holds almost nothing. A large block that holds little is exchanged for
// a small one.
func (b *Buffer) Release() {
	if b.blk == nil {
		return
	}
	if b.Len() > stashMax {
		if b.Len() <= blockSize/2 && len(b.buf) >= largeBlock {
			b.shrink()
		}
		return
	}
	var stash []byte
	if b.r < b.w {
		stash = append(make([]byte, 0, b.w-b.r), b.buf[b.r:b.w]...)
	}
	if b.most <= len(b.blk.buf)/4 && b.size > 0 {
		b.size-- // it was larger than needed
	}
	b.most = 0
	b.blk.release()
	b.blk = nil
	b.buf, b.r, b.w = stash, 0, len(stash)
}

// shrink moves the unread bytes to the smallest block.
func (b *Buffer) shrink() {
	small := borrow(0)
	b.r, b.w = 0, copy(small.buf, b.Bytes())
	b.blk.arena, small.arena = small.arena, b.blk.arena
	b.blk.release()
	b.blk, b.buf, b.most = small, small.buf, b.w
}

// Prepend puts a copy of p before the unread bytes.
func (b *Buffer) Prepend(p []byte) {
	b.buf = append(append(make([]byte, 0, len(p)+b.Len()), p...), b.Bytes()...)
	b.r, b.w = 0, len(b.buf)
}
