package codec

import (
	"context"
	"io"
	"slices"
)

const (
	directMin = 16 << 10 // the smallest body that is read without the buffer if it is not at hand
	bodyMin   = 4 << 10  // the least that is allocated for one
	bodyAhead = 4        // how many times the bytes that have arrived may be allocated for one
)

// held is a body that is read into a slice of its own, and the bytes of the frame before it. If ctx ends, decoding
// starts again with head and finds body as it was.
type held struct {
	head []byte // copied, because the source let go of it
	body []byte // what has arrived
	want int    // the length of body in the end
}

// Bytes returns a copy of the next n bytes, which the receiver of the value owns. n may come from the wire: memory is
// allocated as the bytes arrive. Small copies share an arena of 4 KiB that is never reused; a large body is read
// directly into its own slice. The decoder must not modify the result before Decode returns.
func (r *Reader) Bytes(n int) ([]byte, error) {
	if uint(n) <= uint(len(r.buf)-r.pos) {
		p := r.clone(r.buf[r.pos : r.pos+n])
		r.pos += n
		return p, nil
	}
	if r.err != nil {
		return nil, r.err
	}
	if n < 0 || n > r.left() {
		return nil, r.tooShort(n)
	}
	if n >= directMin && r.src != nil && !r.atHand && r.mayHold(n) {
		return r.direct(n)
	}
	p, err := r.Next(n)
	if err != nil {
		return nil, err
	}
	return r.clone(p), nil
}

// clone copies p for the receiver of the value.
func (r *Reader) clone(p []byte) []byte {
	if r.src != nil || len(p) == 0 {
		return clone(r.cloner(), p)
	}
	return r.arena.Clone(p)
}

// clone is own.Clone, except that an empty copy is not nil.
func clone(own cloner, p []byte) []byte {
	if len(p) == 0 {
		return []byte{}
	}
	return own.Clone(p)
}

// mayHold reports whether a body of n bytes can be read directly here. A frame has one such body, and if the frame is
// decoded again it must be the same one.
func (r *Reader) mayHold(n int) bool {
	return r.held == nil || r.replay && r.pos == len(r.held.head) && n == r.held.want
}

// direct reads the next n bytes, some of which are not at hand, into a slice of their own.
func (r *Reader) direct(n int) ([]byte, error) {
	if r.held == nil {
		if err := r.need(1); err != nil { // nothing is allocated before a byte has come
			return nil, err
		}
		if n <= len(r.buf)-r.pos {
			return r.Bytes(n)
		}
		arrived := r.buf[r.pos:]
		r.held = &held{
			head: slices.Clone(r.buf[:r.pos]),
			body: append(make([]byte, 0, min(n, max(bodyAhead*len(arrived), bodyMin))), arrived...),
			want: n,
		}
		r.src.Discard(r.have)
		r.show(r.held.head)
	}
	h := r.held
	r.replay = false
	for len(h.body) < n {
		if err := r.readInto(h); err != nil {
			return nil, err
		}
	}
	r.skew += len(h.head) + n
	r.pos = 0
	r.show(r.src.Buffered())
	return h.body[:n:n], nil
}

// readInto reads once into the body.
func (r *Reader) readInto(h *held) error {
	if len(h.body) == cap(h.body) {
		bigger := make([]byte, len(h.body), min(h.want, bodyAhead*len(h.body)))
		copy(bigger, h.body)
		h.body = bigger
	}
	n, err := r.src.Read(r.ctx, h.body[len(h.body):cap(h.body)])
	h.body = h.body[:len(h.body)+n]
	if n > 0 || err == nil {
		return nil
	}
	return r.bodyFailed(h, err)
}

// bodyFailed records that the rest of a body cannot be read.
func (r *Reader) bodyFailed(h *held, err error) error {
	r.err = err
	if err == io.EOF {
		r.ended = true
		r.err = r.Fail(r.Offset()+int64(len(h.body)), io.ErrUnexpectedEOF)
	}
	return r.err
}

// flatten puts the held bytes back in front of the source, since the decoder now reads them in another way.
func (r *Reader) flatten() {
	behind := r.src.Buffered()
	all := slices.Concat(r.held.head, r.held.body, behind)
	r.held, r.replay = nil, false
	r.src.Discard(len(behind))
	if k, ok := r.src.(*keeper); ok {
		k.unread(all)
	} else {
		r.up.Unread(all)
		r.src = r.up.Bytes()
		_ = r.src.Fill(context.Background(), 1) // it is there
	}
	r.show(r.src.Buffered())
}

const (
	arenaMin  = 64      // of the first, so that one small value is a small allocation
	arenaMax  = 4 << 10 // the most that one retained copy pins
	sharedMax = 1 << 10 // the largest copy that shares an arena
)

// arena is memory for small copies. It never reuses memory that it has handed out.
type arena struct {
	chunk []byte
	used  int // of chunk
}

// Clone copies p, as that of a chanio.ByteSource does.
func (a *arena) Clone(p []byte) []byte {
	if len(p) > sharedMax {
		return slices.Clone(p)
	}
	if len(p) > len(a.chunk)-a.used {
		a.chunk, a.used = make([]byte, min(max(2*len(a.chunk), arenaMin, len(p)), arenaMax)), 0
	}
	c := a.chunk[a.used:][:len(p):len(p)]
	a.used += len(p)
	copy(c, p)
	return c
}
