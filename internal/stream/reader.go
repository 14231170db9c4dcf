package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// Reader is the receiving half of a [Stream]: a [ByteSource] and [RawSource] over its net.Conn. Its methods are for one
// goroutine at a time, except Close, SetDeadline and Ending, which are for any.
type Reader struct {
	s    *Stream
	end  End
	d    deadline.Deadline
	idle time.Duration // a call waits no longer than this; 0 means for ever

	win  Buffer
	err  error // what comes after the buffered bytes
	next error // of a Read that also brought bytes; it is judged after them
	left int32 // after EndIn: how many bytes that had arrived may still be read; unmeasured before it is known
	one  [1]byte
	drop bool // a release reads what is dropped: the buffer belongs to a consumer that may still be at it
	fd   fdReader

	total atomic.Int64 // bytes read, ever
}

// TryReader is an optional interface of a net.Conn that can be read without waiting. Such a connection is waited for with
// a buffer of one byte, and holds none while idle.
type TryReader interface {
	// TryRead reads what is there and returns its length, which is 0 if there is nothing, also after the end.
	TryRead(p []byte) int
}

// unmeasured is the value of left before the first look.
const unmeasured = -1

// maxEmpty is how many times in a row a Read may bring nothing without an error.
const maxEmpty = 100

func (r *Reader) init(s *Stream, cfg *Config) {
	r.s, r.left = s, unmeasured
	r.idle = max(cfg.IdleTimeout, 0)
	r.d.Init((*readSocket)(r))
	r.fd.init(r)
	r.end.Linger, r.end.Released, r.end.Logger = s.linger, s.released, cfg.Logger
	if len(cfg.Prefix) > 0 {
		r.Unread(cfg.Prefix)
	}
}

// readSocket is the Reader as the socket of its deadline.
type readSocket Reader

func (r *readSocket) SetDeadline(t time.Time) error { return r.s.nc.SetReadDeadline(t) }
func (r *readSocket) Panicked(v any)                { r.s.Abort(r.s.panicErr(v)) }

// Ending returns the end of the half. It is set when a method returns the terminal error, or by Close or an abort.
func (r *Reader) Ending() *End { return &r.end }

// Next returns the next bytes as a chunk that the caller owns.
func (r *Reader) Next(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, deadline.Cause(ctx)
	}
	if r.win.Len() == 0 {
		if err := r.Fill(ctx, 1); err != nil {
			return nil, err
		}
	}
	return r.take(), nil
}

// TryNext returns the next chunk if Next would not wait and need not read. Otherwise err is the terminal error, if that
// is known.
func (r *Reader) TryNext() (chunk []byte, ok bool, err error) {
	if r.win.Len() == 0 {
		return nil, false, r.err
	}
	return r.take(), true, nil
}

func (r *Reader) take() []byte {
	chunk := r.win.Clone(r.win.Bytes())
	r.Discard(len(chunk))
	return chunk
}

// Buffered returns what has arrived and was not discarded.
func (r *Reader) Buffered() []byte { return r.win.Bytes() }

// Clone returns a copy of p that the caller owns.
func (r *Reader) Clone(p []byte) []byte { return r.win.Clone(p) }

// Discard drops the first n of the buffered bytes.
func (r *Reader) Discard(n int) {
	r.s.Out.rule.Received()
	if r.win.Discard(n) {
		r.s.Out.rule.SetAtHand(false)
	}
}

// Unread puts a copy of p in front of what is buffered.
func (r *Reader) Unread(p []byte) {
	r.win.Prepend(p)
	r.s.Out.rule.SetAtHand(r.win.Len() > 0)
}

// Fill waits until more is buffered.
func (r *Reader) Fill(ctx context.Context, n int) error {
	_, err := r.read(ctx, nil, n)
	return err
}

// Read moves bytes into p: what is buffered, otherwise what arrives.
func (r *Reader) Read(ctx context.Context, p []byte) (int, error) {
	if r.win.Len() > 0 {
		n := copy(p, r.win.Bytes())
		r.Discard(n)
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	return r.read(ctx, p, 0)
}

// SetDeadline bounds the calls, one that waits included, by a time of the clock; the zero time takes that back. A call
// that it ends returns a [deadline.Timeout] that is resumable. It costs no system call unless a call waits.
func (r *Reader) SetDeadline(t time.Time) { r.d.SetAt(t) }

// Close ends the half with net.ErrClosed. A call that waits returns it. Close does not wait.
func (r *Reader) Close() error {
	r.d.Close(net.ErrClosed)
	r.end.Set(net.ErrClosed)
	r.s.inEnded(false)
	return nil
}

// endIn is Close with another error, but what has arrived by now may still be read, without waiting.
func (r *Reader) endIn(cause error) { r.d.Close(&ended{cause}) }

// ended marks a cause of EndIn for the Deadline.
type ended struct{ error }

// read reads, into p or, if that is nil, into the buffer, after it has let go of everything held back. It returns at
// least one byte or an error.
func (r *Reader) read(ctx context.Context, p []byte, want int) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	r.s.Out.letGo()
	var n int
	err := r.next
	if r.next = nil; err == nil {
		n, err = r.wait(ctx, p, want)
	}
	if err != nil {
		n = r.readLast(p, want)
	}
	if n > 0 {
		r.got(p, n)
		return n, nil
	}
	return 0, r.fail(ctx, err)
}

// wait waits until something has been read.
func (r *Reader) wait(ctx context.Context, p []byte, want int) (int, error) {
	if err := r.d.Enter(ctx, r.idleUntil()); err != nil {
		return 0, err
	}
	defer r.d.Leave()
	for empty := 0; empty < maxEmpty; {
		n, err := r.once(p, want)
		if err != nil {
			err = r.d.Judge(ctx, err)
		} else {
			empty++
		}
		if n > 0 {
			if err != nil && err != deadline.Late && !deadline.Resumable(ctx, err) {
				r.next = err
			}
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// idleUntil returns how long a call that begins now may wait.
func (r *Reader) idleUntil() time.Time {
	if r.idle <= 0 {
		return time.Time{}
	}
	return time.Now().Add(r.idle)
}

// once reads once. It may wait.
func (r *Reader) once(p []byte, want int) (n int, err error) {
	if r.s.fd != nil {
		return r.fd.read(p, want)
	}
	if err := r.d.Arm(); err != nil {
		return 0, err
	}
	returned := false
	defer func() {
		if !returned {
			n, err = 0, r.s.panicked(recover())
		}
	}()
	n, err = r.onceFrom(r.s.nc, p, want)
	returned = true
	return n, err
}

func (r *Reader) onceFrom(nc net.Conn, p []byte, want int) (int, error) {
	if nc, ok := nc.(TryReader); ok && p == nil {
		return r.onceLazily(nc, want)
	}
	if p == nil {
		p = r.win.Space(want)
	}
	n, err := nc.Read(p)
	if n == 0 {
		r.beforeWait()
	}
	return n, err
}

// beforeWait returns the memory of the buffer, before a wait.
func (r *Reader) beforeWait() {
	if !r.drop {
		r.win.Release()
	}
}

// onceLazily waits with a buffer of one byte, and borrows one only then.
func (r *Reader) onceLazily(nc TryReader, want int) (int, error) {
	r.win.Release()
	n, err := r.s.nc.Read(r.one[:])
	if n == 0 {
		return 0, err
	}
	p := r.win.Space(want)
	p[0] = r.one[0]
	return 1 + nc.TryRead(p[1:]), err
}

// got notes that n bytes have arrived, in p or in the buffer.
func (r *Reader) got(p []byte, n int) {
	r.total.Add(int64(n))
	if p == nil {
		r.win.Add(n)
		r.s.Out.rule.SetAtHand(true)
	}
}

const (
	lastRead = 20 * time.Millisecond // for a net.Conn that cannot be read without waiting to return what it has
	lastMax  = 8 << 20               // bytes, where nobody can tell how much had arrived: the peer may send on
)

// readLast reads what had arrived when EndIn was called, without waiting.
func (r *Reader) readLast(p []byte, want int) (n int) {
	if _, ok := r.d.Closed().(*ended); !ok || r.left == 0 {
		return 0
	}
	if r.left == unmeasured {
		r.left = lastMax
		if n, ok := inQueue(r.s.fd); ok {
			r.left = int32(min(n, lastMax))
		}
	}
	if r.left > 0 {
		n = r.readNow(p, want)
	}
	r.left -= int32(min(n, int(r.left)))
	return n
}

// readNow reads what there is although the half is closed.
func (r *Reader) readNow(p []byte, want int) int {
	if p != nil {
		p = p[:min(len(p), int(r.left))]
	}
	if r.d.Linger(time.Now().Add(lastRead)) != nil {
		return 0
	}
	defer r.d.Leave()
	if r.s.fd != nil {
		return r.fd.readNow(p, want)
	}
	if nc, ok := r.s.nc.(TryReader); ok && !r.s.isTLS() {
		if p == nil {
			p = r.win.Space(want)
		}
		return nc.TryRead(p)
	}
	n, _ := r.once(p, want)
	return n
}

// fail makes an error that does not concern one call alone the end of the half.
func (r *Reader) fail(ctx context.Context, err error) error {
	closed := r.d.Closed()
	if e, ok := closed.(*ended); ok {
		closed = e.error
	}
	idle := closed == nil && err == deadline.Late
	switch {
	case closed != nil:
		err = closed
	case idle:
		err = r.s.opError("read", &deadline.Timeout{Text: "nothing arrived for " + r.idle.String()})
	case deadline.Resumable(ctx, err):
		return err
	case errors.Is(err, io.EOF):
		err = r.s.explainEOF(io.EOF)
	default:
		err = r.s.explained(r.s.cleanError("read", err))
	}
	r.err = err
	if r.win.Len() == 0 {
		r.win.Release()
	}
	if err == io.EOF {
		r.end.Set(nil)
	} else {
		r.end.Set(err)
		if closed == nil {
			r.s.failed(err)
		}
	}
	r.s.inEnded(closed == nil && !idle)
	return err
}
