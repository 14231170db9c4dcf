package codec

import (
	"bytes"
	"context"
	"io"
	"math"

	"github.com/weir-go/weir/chanio"
)

// Reader is the input of a decoder: a cursor over incoming bytes. Its methods return bytes at hand at once and wait for
// missing ones, so a decoder is straight-line code, however its bytes are chunked.
//
// Slices that Peek, Next and ReadUntil lend are valid until the next call of a method that may wait. The decoder must
// not modify them. Bytes and Text return copies to keep.
//
// No method reads beyond the innermost frame; see Limit. A Reader is for one goroutine and for one call of Decode,
// since it holds the ctx of the Recv that wants the value. If that ctx ends, or the stream ends or fails, the call that
// waited returns the reason, and so does every later one. This error takes precedence over the error that the decoder
// returns.
type Reader struct {
	buf   []byte // bytes at hand from buf[0] on, up to the limit
	pos   int    // index of the next byte
	have  int    // bytes at hand, also those beyond the limit: buf[:have]
	skew  int    // distance of buf[0] from the frame's first byte
	limit int    // where the innermost frame ends, from the frame's first byte
	bound int    // the limit that the innermost Limit codec has set, or 0
	depth int    // of Enter
	hit   int    // the limit that a part did not fit, or 0

	frames     int // that Limit has begun around here
	reserved   int // bytes at the end of the frame reservedAt, or of the stream, that are not for an open-ended value
	reservedAt int // counts as frames does
	closedAt   int // the frame in which no open-ended value may stand, counted from 1 for the stream; 0 is none

	start  int64 // offset of the frame's first byte in the stream
	src    chanio.ByteSource
	up     chanio.Upstream[[]byte] // where src is from
	ctx    context.Context
	err    error     // why there is no more
	ended  bool      // src is at its end
	held   *held     // a large body that is being read without the buffer
	replay bool      // buf is held.head
	atHand bool      // nothing may be waited for
	copies bool      // Borrowed must copy, since the receiver does not know that values are lent
	reach  int       // how far has been looked, from the frame's first byte
	arena  arena     // for small copies if src is nil
	nested []nesting // one for each Recursive around here
}

// noLimit is the limit outside of any frame.
const noLimit = math.MaxInt

// NewReader returns a Reader over p, which never waits: the stream ends after p. It is for tests and for decoders that
// call others; [Unmarshal] needs none.
func NewReader(p []byte) *Reader {
	r := &Reader{}
	r.reset(p)
	return r
}

// reset makes r, which has no source, read p.
func (r *Reader) reset(p []byte) {
	r.buf, r.have, r.pos, r.skew, r.start = p, len(p), 0, 0, 0
	r.err, r.ended = nil, true
	r.clear()
}

// clear resets what decoders have set.
func (r *Reader) clear() {
	r.limit, r.bound, r.frames, r.depth, r.hit, r.reserved, r.reservedAt, r.closedAt = noLimit, 0, 0, 0, 0, 0, 0, 0
	clear(r.nested)
	r.nested = r.nested[:0]
}

// begin prepares for a frame. ctx bounds the wait for its bytes. begin returns io.EOF if the stream ends here.
func (r *Reader) begin(ctx context.Context) error {
	r.rewind()
	r.ctx = ctx
	if r.have > 0 || r.replay {
		return nil
	}
	if r.up != (chanio.Upstream[[]byte]{}) {
		r.src = r.up.Bytes() // that of the endpoint, once the bytes put back are consumed
	}
	err := r.src.Fill(ctx, 1)
	r.show(r.src.Buffered())
	return err
}

// rewind moves to the first byte of the frame.
func (r *Reader) rewind() {
	r.err, r.atHand = nil, false
	r.pos, r.skew, r.reach = 0, 0, 0
	r.clear()
	if r.replay = r.held != nil; r.replay {
		r.show(r.held.head)
	} else {
		r.show(r.src.Buffered())
	}
}

// frame moves to pos in a frame of n bytes, which are all in p, as begin and Limit do.
func (r *Reader) frame(p []byte, pos, n int) {
	r.err, r.atHand, r.replay = nil, false, false
	r.clear()
	r.buf, r.have, r.pos, r.skew, r.reach = p[:n], len(p), pos, 0, 0
	r.limit, r.frames = n, 1
}

// end discards the bytes of the decoded frame.
func (r *Reader) end() {
	if r.held != nil && r.skew == 0 {
		r.flatten() // the frame ended before the body
	}
	r.src.Discard(r.pos)
	r.start += int64(r.skew + r.pos)
	r.pos, r.skew, r.buf, r.have = 0, 0, nil, 0
	r.held, r.ctx = nil, nil
}

// release returns r to the pool.
func (r *Reader) release() {
	r.buf, r.have, r.err = nil, 0, nil
	if r.src != nil {
		r.held, r.ctx, r.src, r.up, r.copies = nil, nil, nil, chanio.Upstream[[]byte]{}, false
	}
	readers.Put(r)
}

// show makes p the bytes at hand.
func (r *Reader) show(p []byte) {
	r.buf, r.have = p, len(p)
	r.clip()
}

// clip hides the bytes beyond the limit.
func (r *Reader) clip() { r.buf = r.buf[:min(r.have, r.limit-r.skew)] }

// Offset returns the position of the next byte in the stream, or in the slice that is decoded.
func (r *Reader) Offset() int64 { return r.start + int64(r.skew+r.pos) }

// Next lends the next n bytes and moves past them. If the enclosing frame is shorter, or the stream ends, the error is
// io.ErrUnexpectedEOF in an *Error.
func (r *Reader) Next(n int) ([]byte, error) {
	p := r.pos
	if uint(n) > uint(len(r.buf)-p) {
		return r.nextSlow(n)
	}
	r.pos = p + n
	return r.buf[p : p+n : p+n], nil
}

func (r *Reader) nextSlow(n int) ([]byte, error) {
	p, err := r.Peek(n)
	r.pos += len(p)
	return p, err
}

// Peek lends the next n bytes without moving past them. It returns the errors of Next.
func (r *Reader) Peek(n int) ([]byte, error) {
	if err := r.need(n); err != nil {
		return nil, err
	}
	return r.buf[r.pos : r.pos+n : r.pos+n], nil
}

// Buffered lends the bytes of the frame that are at hand, possibly none. It neither waits nor moves.
func (r *Reader) Buffered() []byte { return r.buf[r.pos:len(r.buf):len(r.buf)] }

// Skip moves past the next n bytes.
func (r *Reader) Skip(n int) error {
	_, err := r.Next(n)
	return err
}

// ReadUntil lends the bytes up to and including the next delim, and moves past them. If more than max bytes precede
// delim, the error is ErrTooLarge. ReadUntil examines each byte once, however late it arrives.
func (r *Reader) ReadUntil(delim byte, max int) ([]byte, error) {
	n, err := r.Find(string([]byte{delim}), max)
	if err != nil {
		return nil, err
	}
	return r.Next(n + 1)
}

// Find returns the number of bytes before the next sep, without moving. If more than max bytes precede it the error is
// ErrTooLarge, and if the frame or stream ends first it is io.ErrUnexpectedEOF. Find examines each byte once, however
// late it arrives.
//
//	n, err := r.Find("\r\n\r\n", 64<<10)    // the head of a message
func (r *Reader) Find(sep string, max int) (n int, err error) {
	refuse(sep == "", "Reader.Find: sep is empty")
	n, width, err := r.until(sep, max, func(p []byte, from int, _ bool) (at, width int) {
		if i := bytes.Index(p[from:], []byte(sep)); i >= 0 {
			return from + i, len(sep)
		}
		return len(p) - min(len(sep)-1, len(p)), 0
	})
	if err == nil && width == 0 {
		err = r.need(len(r.buf) - r.pos + 1) // fails: there is no more
	}
	return n, err
}

// until returns the number of bytes before the match of find, and the width of the match, which is 0 if the frame or
// stream ends first. It examines each byte once. find is that of [delimiters].
func (r *Reader) until(what string, max int, find func(p []byte, from int, final bool) (at, width int)) (n, width int, err error) {
	for from, over := 0, false; ; {
		window := r.buf[r.pos:]
		at, width := find(window, from, over)
		r.looked(r.pos + at + width)
		if at > max && !over {
			return 0, 0, r.Fail(r.Offset(), because(ErrTooLarge, "no %q within the limit of %d bytes", what, max))
		}
		if width > 0 || over {
			return at, width, nil
		}
		from = at
		if over, err = r.runsOut(len(window) + 1); err != nil {
			return 0, 0, err
		}
	}
}

// More reports whether the enclosing frame has another byte or, outside of any frame, the stream. For the stream it may
// have to wait.
func (r *Reader) More() (bool, error) {
	if left, ok := r.Remaining(); ok {
		return left > 0, nil
	}
	over, err := r.runsOut(r.kept() + 1)
	return !over && err == nil, err
}

// Remaining returns the number of bytes up to the end of the enclosing frame; ok is false outside of any frame.
func (r *Reader) Remaining() (n int, ok bool) {
	if r.frames == 0 {
		return 0, false
	}
	return max(r.left()-r.kept(), 0), true
}

// left is the number of bytes up to the limit.
func (r *Reader) left() int { return r.limit - r.skew - r.pos }

// Limit makes the next n bytes a frame. Nothing beyond can be read until Unlimit, which takes the result of Limit.
// Frames nest; if the enclosing frame has fewer bytes left the error is io.ErrUnexpectedEOF. Limit neither allocates
// nor waits. A decoder that fails need not call Unlimit.
func (r *Reader) Limit(n int) (outer int, err error) {
	at := r.skew + r.pos
	if n < 0 || n > r.limit-at {
		return 0, r.tooShort(n)
	}
	outer, r.limit = r.limit, at+n
	r.frames++
	r.clip()
	return outer, nil
}

// Unlimit ends the frame that Limit started. If bytes of the frame are left, the error is ErrTrailingData and has their
// number. If the stream ends before the frame, it is io.ErrUnexpectedEOF.
func (r *Reader) Unlimit(outer int) error {
	if left := r.left(); left > 0 {
		at := r.Offset()
		if err := r.need(left); err != nil {
			return err
		}
		return r.Fail(at, because(ErrTrailingData, "%d bytes of trailing data in a frame", left))
	}
	r.limit = outer
	r.frames--
	r.clip()
	return nil
}

// MaxDepth is the limit on the nesting of values, enforced by [Reader.Enter].
const MaxDepth = 64

// Enter records that a value nests in another of its kind. It fails with ErrTooDeep beyond [MaxDepth]. A decoder that
// calls itself, directly or indirectly, calls Enter before a value and Leave after it.
func (r *Reader) Enter() error {
	if r.depth >= MaxDepth {
		return r.Fail(r.Offset(), errTooDeep)
	}
	r.depth++
	return nil
}

// Leave undoes one Enter.
func (r *Reader) Leave() { r.depth-- }

// looked records that bytes up to r.buf[n] were examined or asked for.
func (r *Reader) looked(n int) { r.reach = max(r.reach, r.skew+n) }

// need waits until n bytes are at hand after pos.
func (r *Reader) need(n int) error {
	r.looked(r.pos + n)
	for n > len(r.buf)-r.pos || n < 0 {
		if r.err != nil {
			return r.err
		}
		if n < 0 || n > r.left() {
			return r.tooShort(n)
		}
		if err := r.fill(n); err == io.EOF {
			r.err = r.Fail(r.Offset()+int64(len(r.buf)-r.pos), io.ErrUnexpectedEOF)
			return r.err
		} else if err != nil {
			return err
		}
	}
	return nil
}

// fill waits for at least one more byte. n is how many the decoder needs after pos. io.EOF is not sticky, since the
// decoder may be waiting for the end.
func (r *Reader) fill(n int) error {
	if r.err != nil {
		return r.err
	}
	if r.ended && r.src == nil {
		return io.EOF
	}
	if r.atHand {
		r.err = errWouldWait
		return r.err
	}
	if r.replay {
		r.flatten()
		return nil
	}
	err := r.src.Fill(r.ctx, r.pos+n)
	r.show(r.src.Buffered())
	if err != nil && err != io.EOF {
		r.err = err
	}
	r.ended = err == io.EOF
	return err
}

// runsOut reports whether the enclosing frame, or the stream, ends before n bytes are at hand. It may wait.
func (r *Reader) runsOut(n int) (bool, error) {
	r.looked(r.pos + n)
	for len(r.buf)-r.pos < n {
		if n > r.left() && len(r.buf)-r.pos == r.left() {
			return true, nil
		}
		if err := r.fill(n); err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, err
		}
	}
	return false, nil
}

// tooShort returns the error of a part of n bytes that the enclosing frame does not have, or that no message can have.
func (r *Reader) tooShort(n int) error {
	if n < 0 {
		return r.Fail(r.Offset(), because(ErrMalformed, "negative length %d", n))
	}
	if r.limit == noLimit {
		return r.Fail(r.Offset(), because(ErrTooLarge, "%d bytes are more than a message can have", n))
	}
	left := r.left()
	r.hit = r.limit
	return r.Fail(r.Offset(), because(io.ErrUnexpectedEOF, "unexpected end of frame: need %d bytes, have %d", n, left))
}
