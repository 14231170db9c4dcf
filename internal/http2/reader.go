package http2

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/pool"
	"github.com/weir-go/weir/internal/stream"
)

const (
	maxWindow = 1<<31 - 1
	chunkMin  = 512
	chunkMax  = 16 << 10
)

// largest holds unused chunks as long as a frame of the usual size.
var largest = pool.Pool[[chunkMax]byte]{New: func() *[chunkMax]byte { return new([chunkMax]byte) }}

// Reader is the receiving half of a [Stream], a chanio.ByteSource. One goroutine at a time may use it, except Close and
// SetDeadline, which any goroutine may call. At the end of the body it returns io.EOF. If the stream was reset it
// returns what came before, then a [*StreamError].
type Reader struct {
	s *Stream

	// Of the goroutine that reads.
	cur   []byte // taken and not discarded
	own   []byte // the array of cur, if it was joined from several chunks
	used  int    // discarded bytes whose credit has not been returned
	given int    // bytes of cur whose credit was returned before they are discarded
	arena stream.Arena
	taken []byte // the chunk of cur, unless a caller owns it

	// Under the lock of the connection.
	chunks   [][]byte  // not taken yet; the last may grow
	first    [1][]byte // the array of chunks while there is only one
	carved   bool      // room after the last chunk is being filled
	shared   bool      // a chunk shares its array with the one that was taken before it
	held     int64     // bytes in chunks, or taken and not returned as credit
	window   int64     // what the peer may still send
	target   int64     // the sum of window and held
	closed   bool      // by its reader
	why      error     // what a closed one returns
	last     error     // the end of the half after what has arrived, if endIn was called
	deadline *deadline.Context
	ends     *ends // of a Conn made of the stream
}

// Buffered returns what has been taken and not discarded.
func (r *Reader) Buffered() []byte { return r.cur }

// Clone returns a copy of p that the caller owns.
func (r *Reader) Clone(p []byte) []byte { return r.arena.Clone(p) }

// Discard drops the first n of the buffered bytes.
func (r *Reader) Discard(n int) {
	r.cur = r.cur[n:]
	given := min(n, r.given)
	r.given -= given
	if r.used += n - given; r.used >= chunkMax {
		r.s.c.mu.Lock()
		r.creditLocked()
		r.s.c.send.pushLocked()
		r.s.c.mu.Unlock()
	}
}

// Read moves bytes into p.
func (r *Reader) Read(ctx context.Context, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.cur) == 0 {
		if err := r.Fill(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.cur)
	r.Discard(n)
	return n, nil
}

// Next returns the next bytes as a chunk that the caller owns.
func (r *Reader) Next(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, deadline.Cause(ctx)
	}
	if len(r.cur) == 0 {
		if err := r.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	return r.takeChunk(), nil
}

// TryNext returns the next chunk if Next would not wait.
func (r *Reader) TryNext() (chunk []byte, ok bool, err error) {
	if len(r.cur) == 0 {
		r.s.c.mu.Lock()
		switch {
		case r.closed:
			err = r.why
		case len(r.chunks) > 0:
			r.takeLocked()
		default:
			err = r.endLocked()
		}
		r.s.c.mu.Unlock()
		if len(r.cur) == 0 {
			if err != nil {
				r.setEnd(err)
			}
			return nil, false, err
		}
	}
	return r.takeChunk(), true, nil
}

// Whole returns the body, which the caller then owns, if all of it has arrived in one piece of at most that many bytes,
// without trailers, and none of it was read. It does not wait.
func (r *Reader) Whole(most int) (p []byte, ok bool) {
	c := r.s.c
	c.mu.Lock()
	if r.s.recvEnd && r.s.trailers == nil && !r.closed && len(r.chunks) <= 1 {
		size := 0
		if len(r.chunks) > 0 {
			size = len(r.chunks[0])
		}
		ok = size <= most && int64(size) == r.s.arrived
	}
	if ok && len(r.chunks) > 0 {
		r.takeLocked()
	}
	c.mu.Unlock()
	if ok {
		p = r.takeChunk()
		r.setEnd(io.EOF)
	}
	return p, ok
}

// takeChunk hands what was taken to the caller.
func (r *Reader) takeChunk() []byte {
	chunk := r.cur[:len(r.cur):len(r.cur)]
	r.own, r.taken = nil, nil
	r.Discard(len(chunk))
	return chunk
}

// Fill waits until more is buffered.
func (r *Reader) Fill(ctx context.Context, _ int) error {
	if ctx.Err() != nil {
		return deadline.Cause(ctx)
	}
	final, err := r.fill(ctx)
	if final {
		r.setEnd(err)
	}
	return err
}

// fill is Fill, and reports whether its error is the end of the half.
func (r *Reader) fill(ctx context.Context) (final bool, err error) {
	c := r.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r.reuseLocked()
	for {
		switch {
		case r.closed:
			return true, r.why
		case len(r.chunks) > 0:
			r.takeLocked()
			return false, nil
		}
		if err := r.endLocked(); err != nil {
			return true, err
		}
		r.used += len(r.cur) - r.given // more is wanted than the window may let through
		r.given = len(r.cur)
		r.creditLocked()
		c.send.pushLocked()
		if len(r.chunks) > 0 || r.closed || r.endLocked() != nil {
			continue // because pushLocked unlocks
		}
		if err := r.s.waitLocked(ctx, r.deadline, noTime); err != nil {
			return false, err
		}
	}
}

// reuseLocked makes the chunk that was read available again, unless a caller owns it or the next chunk lies after it
// in the same array.
func (r *Reader) reuseLocked() {
	if len(r.cur) > 0 || r.taken == nil {
		return
	}
	if cap(r.taken) == chunkMax && !r.carved && !r.shared {
		largest.Put((*[chunkMax]byte)(r.taken[:chunkMax]))
	}
	r.taken, r.shared = nil, false
}

// endLocked returns what comes after the last chunk, if that is known.
func (r *Reader) endLocked() error {
	switch {
	case r.s.recvEnd:
		return io.EOF
	case r.last != nil:
		return r.last
	case r.s.err != nil:
		return r.s.err
	}
	return nil
}

// takeLocked takes the first chunk.
func (r *Reader) takeLocked() {
	chunk := r.chunks[0]
	r.chunks[0] = nil
	if r.chunks = r.chunks[1:]; len(r.chunks) == 0 {
		r.chunks = nil
	}
	if len(r.cur) == 0 {
		r.cur, r.taken = chunk, chunk
		return
	}
	r.taken = nil
	size := len(r.cur) + len(chunk)
	if size > cap(r.own) {
		r.own = make([]byte, 0, max(2*size, chunkMin))
	}
	joined := r.own[:size]
	copy(joined, r.cur) // also within own
	copy(joined[len(r.cur):], chunk)
	r.cur = joined
}

// roomLocked returns space for n bytes, after the last chunk or in a new one. Small frames share a chunk, and those that
// wait fill theirs, so that a stream holds little more than its window.
func (r *Reader) roomLocked(n int) []byte {
	if last := len(r.chunks) - 1; last >= 0 {
		if p := r.chunks[last]; cap(p)-len(p) >= n {
			r.carved = true
			return p[len(p) : len(p)+n]
		}
	}
	if n > chunkMax/2 && n <= chunkMax && (len(r.chunks) == 0 || n > chunkMax-chunkMin) {
		return largest.Get()[:n]
	}
	size := n
	if size < chunkMin && (len(r.chunks) > 0 || r.held > 0) {
		size = chunkMin << min(len(r.chunks), 3)
	}
	return make([]byte, n, max(size, 1))
}

// addLocked adds the bytes that were read into the space of roomLocked.
func (r *Reader) addLocked(p []byte) {
	if last := len(r.chunks) - 1; last >= 0 {
		if q := r.chunks[last]; cap(q)-len(q) >= len(p) && &q[:len(q)+1][len(q)] == &p[0] {
			r.chunks[last] = q[:len(q)+len(p)]
			r.carved = false
			return
		}
	}
	if r.carved { // the chunk before it was taken meanwhile
		r.carved, r.shared = false, true
	}
	if len(r.chunks) == 0 {
		r.chunks = r.first[:0]
	}
	r.chunks = append(r.chunks, p)
}

// creditLocked opens the window of the stream for the bytes that have been read, once it is worth a frame. If the
// reader has taken everything, the window may be what limits the peer, so it grows.
func (r *Reader) creditLocked() {
	r.held -= int64(r.used)
	r.used = 0
	s := r.s
	if s.recvEnd || s.gone || r.closed {
		return
	}
	if r.target-r.held-r.window < r.target/2 {
		return
	}
	if most := int64(s.c.cfg.MaxWindow); r.held == 0 && r.target < most {
		r.target = min(2*r.target, most)
	}
	if more := r.target - r.held - r.window; more > 0 {
		r.window += more
		s.c.send.out = appendWindowUpdate(s.c.send.outLocked(), s.id, more)
	}
}

// Close drops what has arrived and what still arrives. The peer may send until its window is used up. It is asked to
// stop when this side of the stream has been sent.
func (r *Reader) Close() error {
	c := r.s.c
	c.mu.Lock()
	r.closeLocked()
	r.s.checkDoneLocked()
	c.send.pushLocked()
	c.endIfOverAndUnlock()
	r.setEnd(net.ErrClosed)
	return nil
}

// endIn makes the half end with cause after what has arrived.
func (r *Reader) endIn(cause error) {
	r.s.c.mu.Lock()
	defer r.s.c.mu.Unlock()
	if r.last == nil {
		r.last = cause
	}
	r.s.changeLocked()
}

func (r *Reader) closeLocked() {
	if r.closed {
		return
	}
	r.closed, r.chunks, r.why = true, nil, net.ErrClosed
	r.s.changeLocked()
}

// SetDeadline sets the time at which calls fail, including one that waits. The zero time means no deadline. A call that
// fails with the deadline has taken nothing.
func (r *Reader) SetDeadline(t time.Time) {
	r.s.c.mu.Lock()
	if r.deadline == nil {
		if t.IsZero() {
			r.s.c.mu.Unlock()
			return
		}
		r.deadline = new(deadline.Context)
	}
	d := r.deadline
	r.s.changeLocked() // so that a call that waits sees it
	r.s.c.mu.Unlock()
	_ = d.SetDeadline(t)
}

// Trailers returns the fields after the body. They are known when the body has been read to its end.
func (s *Stream) Trailers() []Field {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.trailers
}
