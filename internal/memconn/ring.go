package memconn

// minRing is the size of a ring's first allocation, in bytes.
const minRing = 512

// ring is a FIFO of at most limit bytes. Its memory is allocated by the first write and doubles as needed.
type ring struct {
	buf   []byte
	head  int // index of the oldest byte
	size  int // bytes held
	limit int
}

// write appends as much of p as there is room for.
func (r *ring) write(p []byte) int {
	n := min(len(p), r.limit-r.size)
	if n == 0 {
		return 0
	}
	r.reserve(r.size + n)
	tail := r.head + r.size
	if tail >= len(r.buf) {
		tail -= len(r.buf)
	}
	first := copy(r.buf[tail:], p[:n])
	copy(r.buf, p[first:n])
	r.size += n
	return n
}

// read removes the oldest bytes, as many as p has room for.
func (r *ring) read(p []byte) int {
	n := min(len(p), r.size)
	if n == 0 {
		return 0
	}
	first := copy(p[:n], r.buf[r.head:])
	copy(p[first:n], r.buf)
	r.size -= n
	r.head += n
	if r.head >= len(r.buf) {
		r.head -= len(r.buf)
	}
	if r.size == 0 {
		r.head = 0 // keeps the next copies whole
	}
	return n
}

// reserve makes the buffer hold at least need bytes, which the limit allows.
func (r *ring) reserve(need int) {
	if need <= len(r.buf) {
		return
	}
	buf := make([]byte, min(r.limit, max(need, 2*len(r.buf), minRing)))
	held := r.size
	r.read(buf)
	r.buf, r.head, r.size = buf, 0, held
}

// discard drops the bytes and the memory.
func (r *ring) discard() {
	r.buf, r.head, r.size = nil, 0, 0
}
