package stream

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// Reader is the receiving half of a [Stream]: a [ByteSource] and [RawSource] over its net.Conn. Its methods are for one
// goroutine at a time, except Close, SetDeadline and Ending, which any goroutine may call.
type Reader struct {
	s    *Stream
	end  End
	d    deadline.Deadline
	idle time.Duration // the longest time that a call waits; negative means no limit

	win  Buffer
	err  error // the error after the buffered bytes
	left int32 // after EndIn: how many arrived bytes may still be read; unmeasured until known
	one  [1]byte
	next bool // err came with bytes and is judged after them
	drop bool // a release drops input; it must not use the buffer, which a consumer may still use
	fd   fdReader

	total atomic.Int64 // bytes read so far
}

// TryReader is an optional interface of a net.Conn that can be read without waiting. While such a connection is idle,
// it is waited for with a buffer of one byte.
type TryReader interface {
	// TryRead reads what has arrived and returns its length, which is 0 if there is nothing, also at the end.
	TryRead(p []byte) int
}

// unmeasured is the value of left before the first look.
const unmeasured = -1

// MaxEmpty is how many times in a row a Read may return no bytes and no error.
const MaxEmpty = 100

func (r *Reader) init(s *Stream, cfg *Config) {
	r.s, r.left = s, unmeasured
	if r.idle = cfg.IdleTimeout; r.idle == 0 {
		r.idle = -1
	}
	r.d.Init((*readSocket)(r))
	r.fd.init(r)
	if len(cfg.Prefix) > 0 {
		r.Unread(cfg.Prefix)
	}
}

// readSocket is the Reader as the [deadline.Socket] of its deadline.
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
	chunk, _, _ := r.TryNext()
	return chunk, nil
}

// TryNext returns the next chunk if Next would neither wait nor read. Otherwise err is the terminal error, if that is
// known.
func (r *Reader) TryNext() (chunk []byte, ok bool, err error) {
	if r.win.Len() == 0 {
		return nil, false, r.ended()
	}
	chunk = r.win.Clone(r.win.Bytes())
	r.Discard(len(chunk))
	return chunk, true, nil
}

// Buffered returns the bytes that have arrived and were not discarded.
func (r *Reader) Buffered() []byte { return r.win.Bytes() }

// Unprocessed reports whether any bytes are buffered. Any goroutine may call it.
func (r *Reader) Unprocessed() bool { return r.s.Out.queue.rule.AtHand() }

// Clone returns a copy of p that the caller owns.
func (r *Reader) Clone(p []byte) []byte { return r.win.Clone(p) }

// Discard drops the first n of the buffered bytes.
func (r *Reader) Discard(n int) {
	r.s.Out.queue.rule.Received()
	if r.win.Discard(n) {
		r.s.Out.queue.rule.SetAtHand(false)
	}
}

// Unread puts a copy of p before the buffered bytes.
func (r *Reader) Unread(p []byte) {
	r.win.Prepend(p)
	r.s.Out.queue.rule.SetAtHand(r.win.Len() > 0)
}

// Fill waits until more is buffered. Bytes that arrive after ctx has ended are kept for a later call, because they may
// be meant for another reader, such as TLS after a STARTTLS line.
func (r *Reader) Fill(ctx context.Context, n int) error {
	if err := r.ended(); err != nil {
		return err
	}
	got, err := 0, r.begin()
	if err == nil {
		got, err = r.wait(ctx, nil, n)
	}
	if _, err = r.received(ctx, nil, n, got, err); err == nil && ctx.Err() != nil {
		err = deadline.Cause(ctx)
	}
	return err
}

// HasArrived reports whether src has buffered bytes, also after it has taken over what lies in a net.Conn that can be
// read without waiting, such as the rest of a TLS record. It does not wait.
func HasArrived(src ByteSource) bool {
	r, ok := src.(*Reader)
	if !ok {
		return len(src.Buffered()) > 0
	}
	nc, ok := r.s.nc.(TryReader)
	if !ok || r.win.Len() > 0 || r.err != nil || r.d.Enter(deadline.NoContext, time.Time{}) != nil {
		return r.win.Len() > 0
	}
	defer r.d.Leave()
	n := 0
	_ = r.s.guard(func() error {
		if n = nc.TryRead(r.one[:]); n > 0 {
			n = afterOne(nc, r, 1)
		}
		return nil
	})
	if n > 0 {
		_, _ = r.received(deadline.NoContext, nil, 1, n, nil) // bytes are no error
	}
	return n > 0
}

// Read moves bytes into p: buffered ones, or else those that arrive next.
func (r *Reader) Read(ctx context.Context, p []byte) (int, error) {
	if r.win.Len() > 0 {
		n := copy(p, r.win.Bytes())
		r.Discard(n)
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.ended(); err != nil {
		return 0, err
	}
	n, err := 0, r.begin()
	if err == nil {
		n, err = r.wait(ctx, p, 0)
	}
	return r.received(ctx, p, 0, n, err)
}

// SetDeadline bounds calls, including a blocked one, by a time; the zero time means no bound. A call that it ends
// returns a resumable [deadline.Timeout]. It makes no system call unless a call is blocked.
func (r *Reader) SetDeadline(t time.Time) { r.d.SetAt(t) }

// Close ends the half with net.ErrClosed, which a blocked call returns. Close does not wait.
func (r *Reader) Close() error {
	r.d.Close(net.ErrClosed)
	r.end.Set(net.ErrClosed)
	r.s.inEnded(false)
	return nil
}

// ended marks a cause of EndIn for the Deadline: what has arrived by then can still be read without waiting.
type ended struct{ error }

// begin sends everything held back, before a read into p or, if that is nil, into the buffer. It returns the error that
// came with the bytes before. Without one, wait reads. received returns the result.
func (r *Reader) begin() error {
	r.s.Out.letGo()
	err := r.err
	r.err, r.next = nil, false
	return err
}

// received returns at least one byte or an error, for the result of begin and wait.
//
//go:noinline
func (r *Reader) received(ctx context.Context, p []byte, want, n int, err error) (int, error) {
	if err != nil {
		n = r.readLast(p, want)
	}
	if n == 0 {
		return 0, r.fail(ctx, err)
	}
	r.total.Add(int64(n))
	if p == nil {
		r.win.Add(n)
		r.s.Out.queue.rule.SetAtHand(true)
	}
	return n, nil
}

// ended returns the terminal error, if that is known.
func (r *Reader) ended() error {
	if r.next {
		return nil
	}
	return r.err
}

// wait waits until something has been read, or a RawFunc has made progress. An idle connection waits in it, so it and its
// callers have small stack frames.
func (r *Reader) wait(ctx context.Context, p []byte, want int) (n int, err error) {
	if err := r.d.Enter(ctx, deadline.In(r.idle)); err != nil {
		return 0, err
	}
	defer r.d.Leave()
	for empty := 0; empty < MaxEmpty; {
		if r.s.fd != nil {
			n, err = r.fd.read(r.s.fd, p, want)
		} else {
			n, err = r.once(p, want)
		}
		if err != nil {
			n, err = r.judge(ctx, n, err)
		} else if empty++; r.fd.isRaw() {
			return n, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// judge returns the result of wait for that of a read with an error. It keeps an error that came with bytes.
//
//go:noinline
func (r *Reader) judge(ctx context.Context, n int, err error) (int, error) {
	err = r.d.Judge(ctx, err)
	if n == 0 {
		return 0, err
	}
	if err != nil && err != deadline.Late && !deadline.Resumable(ctx, err) {
		r.err, r.next = err, true
	}
	return n, nil
}

// once reads once from a net.Conn without a descriptor. It may wait.
//
//go:noinline
func (r *Reader) once(p []byte, want int) (n int, err error) {
	if err := r.d.Arm(); err != nil {
		return 0, err
	}
	err = r.s.guard(func() (err error) {
		n, err = readFrom(r.s.nc, r, p, want)
		return err
	})
	return n, err
}

// readFrom reads once from a net.Conn without a descriptor, into p or, if that is nil, into the buffer of r. It panics if
// the result of Read is out of range.
func readFrom(nc net.Conn, r *Reader, p []byte, want int) (n int, err error) {
	if lazy, ok := nc.(TryReader); ok && p == nil { // wait with a buffer of one byte, then borrow one
		r.win.Release()
		p = r.one[:]
		if n, err = nc.Read(p); len(p[:n]) > 0 {
			n = afterOne(lazy, r, want)
		}
		return n, err
	}
	if p == nil {
		p = r.win.Space(want)
	}
	if n, err = nc.Read(p); len(p[:n]) == 0 {
		r.beforeWait()
	}
	return n, err
}

// afterOne borrows a buffer for the byte in r.one and what has arrived behind it, and returns the number of bytes.
func afterOne(nc TryReader, r *Reader, want int) int {
	p := r.win.Space(want)
	p[0] = r.one[0]
	return 1 + nc.TryRead(p[1:])
}

// beforeWait returns the buffer's memory before a wait.
func (r *Reader) beforeWait() {
	if !r.drop {
		r.win.Release()
	}
}

const (
	lastRead = 20 * time.Millisecond // the wait for a net.Conn that cannot be read without waiting
	lastMax  = 8 << 20               // bytes, if the amount that had arrived is unknown: the peer may send more
)

// readLast reads without waiting what had arrived when EndIn was called.
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

// readNow reads what has arrived although the half is closed.
func (r *Reader) readNow(p []byte, want int) int {
	if p != nil {
		p = p[:min(len(p), int(r.left))]
	}
	if r.d.Linger(time.Now().Add(lastRead)) != nil {
		return 0
	}
	defer r.d.Leave()
	if r.s.fd != nil {
		return r.fd.readNow(r.s.fd, p, want)
	}
	if nc, ok := r.s.nc.(TryReader); ok && !isTLS(r.s.nc) {
		if p == nil {
			p = r.win.Space(want)
		}
		return nc.TryRead(p)
	}
	n, _ := r.once(p, want)
	return n
}

// fail ends the half with err, unless err concerns only one call.
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
		err = r.s.opError("read", &deadline.Timeout{Text: "nothing arrived for " + r.idle.String() + " (IdleTimeout)"})
	case deadline.Resumable(ctx, err):
		return err
	case err == io.EOF:
		err = r.s.explainEOF()
	default:
		err = r.s.explained("read", err)
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
