package stream

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/pool"
)

// TryWriter is an optional interface of a net.Conn that can be written without blocking. A net.Conn that has neither it
// nor a descriptor is written by a goroutine.
type TryWriter interface {
	// TryWrite writes what there is room for and returns that number. It does not wait.
	TryWrite(p []byte) (n int, err error)

	// WaitWrite waits until TryWrite may write or fail. If ctx ends first it returns an error.
	WaitWrite(ctx context.Context) error
}

// Flusher is an optional interface of a [TryWriter] that buffers.
type Flusher interface {
	// Flush returns when everything written before has left the buffer.
	Flush(ctx context.Context) error
}

// wire is the way out of a Stream, for the owner of Writer.busy: its write is the one function that writes.
type wire struct {
	s       *Stream
	timeout time.Duration
	other   *other // if there is no descriptor
	job     *job   // what is being written

	d        atomic.Pointer[deadline.Deadline] // for a write that waits; made on demand
	written  atomic.Int64                      // bytes of values that the net.Conn has accepted
	rawBytes atomic.Int64                      // bytes that raw writes have moved
}

// other is the output through a net.Conn without a descriptor.
type other struct {
	TryWriter                  // the net.Conn, or a pump
	limit     deadline.Context // bounds WaitWrite: the Socket of the deadline
}

// job is something to write: head and body, or the bytes that raw moves.
type job struct {
	w          *wire
	head, body []byte
	raw        RawFunc
	n          int  // bytes taken
	more       bool // there is more to write
	wait       bool // until something is taken
	fd         fdWriter
}

// jobs holds jobs that are not in use. An idle connection has none.
var jobs = pool.Pool[job]{New: func() *job {
	j := new(job)
	j.fd.init(j)
	return j
}}

func (w *wire) init(s *Stream, timeout time.Duration) {
	w.s, w.timeout = s, max(timeout, 0)
	if s.fd != nil {
		return
	}
	w.other = new(other)
	var ok bool
	if w.other.TryWriter, ok = s.nc.(TryWriter); !ok {
		w.other.TryWriter = newPump(s, w.timeout)
	}
}

// writeSocket is the wire as the [deadline.Socket] of its deadline.
type writeSocket wire

func (w *writeSocket) SetDeadline(t time.Time) error { return w.s.nc.SetWriteDeadline(t) }
func (w *writeSocket) Panicked(v any)                { _ = w.s.panicked(v) }

// deadline returns the deadline of writes. The first call creates it.
func (w *wire) deadline() *deadline.Deadline {
	if d := w.d.Load(); d != nil {
		return d
	}
	d := new(deadline.Deadline)
	if w.other != nil {
		d.Init(&w.other.limit)
	} else {
		d.Init((*writeSocket)(w))
	}
	w.d.CompareAndSwap(nil, d)
	d = w.d.Load()
	if err := w.s.Out.end.failure(); err != nil { // that end may have missed d
		d.Close(err)
	}
	return d
}

// flush returns when what was written has left a buffer below.
func (w *wire) flush(ctx context.Context) error {
	if w.other != nil {
		if f, ok := w.other.TryWriter.(Flusher); ok {
			return f.Flush(ctx)
		}
	}
	return nil
}

// took records that n bytes of the job have been written. again is the result of raw.
func (w *wire) took(n int, again bool) {
	j := w.job
	j.n += n
	if j.raw != nil {
		w.rawBytes.Add(int64(n))
		j.more = again
		return
	}
	w.written.Add(int64(n))
	used := min(n, len(j.head))
	j.head, j.body = j.head[used:], j.body[n-used:]
	j.more = len(j.head)+len(j.body) > 0
}

// write writes head and body, or what raw moves, and counts what the net.Conn takes as that happens.
//
// If wait is false, write does not block and may leave something unwritten. Otherwise it returns when everything has
// been written, when ctx ends, with an error that says so, or when the half fails, which write has then ended. A nil
// ctx does not end.
func (w *wire) write(ctx context.Context, wait bool, head, body []byte, raw RawFunc) (n int, err error) {
	j := jobs.Get()
	j.w, j.head, j.body, j.raw, j.n, j.more = w, head, body, raw, 0, true
	w.job = j
	if w.s.fd != nil && raw == nil && !wait { // calls no foreign code that could panic
		err = w.run(ctx, wait)
	} else {
		err = w.runGuarded(ctx, wait)
	}
	n, w.job = j.n, nil
	j.w, j.head, j.body, j.raw = nil, nil, nil, nil
	jobs.Put(j)
	return n, err
}

// writeUnlocked is write for the owner of busy, who holds the lock of the Writer. It unlocks meanwhile.
func (w *wire) writeUnlocked(ctx context.Context, wait bool, head, body []byte, raw RawFunc) (n int, err error) {
	w.s.Out.mu.Unlock()
	defer w.s.Out.mu.Lock()
	return w.write(ctx, wait, head, body, raw)
}

// runGuarded is run for calls of foreign code, which may panic.
func (w *wire) runGuarded(ctx context.Context, wait bool) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		err = w.s.panicked(v)
		if v != nil && w.job.raw != nil {
			w.job.raw = nil
			panic(v)
		}
	}()
	err = w.run(ctx, wait)
	returned = true
	return err
}

// run does the job.
func (w *wire) run(ctx context.Context, wait bool) error {
	err := w.attempt(false)
	if err == nil && wait && w.job.more {
		err = w.writeOn(ctx)
	}
	if err != nil {
		err = w.judge(ctx, err)
	}
	return err
}

// attempt writes what is accepted without blocking. If wait is true, it waits until something is.
func (w *wire) attempt(wait bool) error {
	j := w.job
	j.wait = wait
	if w.s.fd != nil {
		return j.fd.write(w.s.fd)
	}
	for before := j.n; j.more; {
		p := j.head
		if len(p) == 0 {
			p = j.body
		}
		n, err := w.other.TryWrite(p)
		w.took(n, false)
		if err != nil {
			return err
		}
		if n == len(p) {
			continue
		}
		if !wait || j.n > before {
			return nil
		}
		if err := w.other.WaitWrite(w.other.limit.Once()); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = os.ErrDeadlineExceeded
			}
			return err
		}
	}
	return nil
}

// writeOn writes the rest of the job, blocking.
func (w *wire) writeOn(ctx context.Context) error {
	p := patience{timeout: w.timeout}
	d := w.deadline()
	if err := d.Enter(ctx, p.begin(w.s)); err != nil {
		return err
	}
	defer d.Leave()
	for w.job.more {
		before := w.job.n
		err := d.Arm()
		if err == nil {
			err = w.attempt(true)
		}
		if n := w.job.n - before; n > 0 {
			w.wake()
			if w.timeout > 0 {
				p.took(n)
				d.Extend(p.next())
			}
		}
		if err != nil {
			err = d.Judge(ctx, err)
			if err == deadline.Late && p.renew(w.s) {
				d.Extend(p.next())
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// wake wakes goroutines that wait for room or for a flush.
func (w *wire) wake() {
	w.s.Out.mu.Lock()
	defer w.s.Out.mu.Unlock()
	w.s.Out.news.tell()
}

// minRate is the number of bytes a second that counts as progress.
const minRate = 240

// patience bounds a wait by a timeout without progress, which means minRate on average: each byte extends the time by
// what it may take, up to the timeout.
type patience struct {
	timeout time.Duration
	until   time.Time
	peer    int64 // what the peer had taken at the last look
}

// begin returns when to look first, or the zero time without a timeout.
func (p *patience) begin(s *Stream) time.Time {
	if p.timeout <= 0 {
		return time.Time{}
	}
	p.until = time.Now().Add(p.timeout)
	p.peer = s.progress(false)
	return p.next()
}

// next returns when to look at the peer's progress again. The looks are a quarter of the timeout apart, because
// progress counts from the look that finds it.
func (p *patience) next() time.Time {
	if look := time.Now().Add(p.timeout / 4); look.Before(p.until) {
		return look
	}
	return p.until
}

// renew reports whether there is time left. It counts the progress of the peer that the net.Conn does not show yet,
// because it stays full until much has left.
func (p *patience) renew(s *Stream) bool {
	before := p.peer
	if p.peer = s.progress(false); p.peer > before {
		p.took(int(p.peer - before))
	}
	return time.Now().Before(p.until)
}

func (p *patience) took(n int) {
	most := time.Now().Add(p.timeout)
	if p.until = p.until.Add(time.Duration(n) * time.Second / minRate); p.until.After(most) {
		p.until = most
	}
}

// judge returns the error of a write for the caller, and ends the half unless it concerns only that call.
func (w *wire) judge(ctx context.Context, err error) error {
	failure := w.s.Out.end.failure()
	switch {
	case w.job.raw != nil && w.job.n == 0 && errors.Is(err, errors.ErrUnsupported): // another way is used
		return err
	case failure != nil:
		return failure
	case err == deadline.Late:
		err = w.s.opError("write", &deadline.Timeout{Text: "peer took nothing for " + w.timeout.String() + " (WriteTimeout)"})
		w.s.Abort(err) // a reset, because data is missing
		return err
	case ctx != nil && deadline.Resumable(ctx, err):
		return err
	}
	if errors.Is(err, errors.ErrUnsupported) { // which would mean, to those above, that nothing has failed
		err = errors.New(err.Error())
	}
	err = w.s.explained("write", err)
	w.s.failed(err)
	w.s.Out.end.Set(err)
	w.s.Out.lose(err)
	w.s.outEnded(true, false)
	return err
}
