package stream

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/deadline"
)

// TryWriter is an optional interface of a net.Conn that can be written without blocking. One that has neither that nor a
// descriptor is written by a goroutine.
type TryWriter interface {
	// TryWrite writes what there is room for and returns how much that was. It does not wait.
	TryWrite(p []byte) (n int, err error)

	// WaitWrite waits until TryWrite may do something: write or fail. If ctx ends first it returns an error.
	WaitWrite(ctx context.Context) error
}

// Flusher is an optional interface of a [TryWriter] with a buffer of its own.
type Flusher interface {
	// Flush returns when everything that was written has left the buffer.
	Flush(ctx context.Context) error
}

// wire is the way out of a Stream, for the owner of Writer.busy: its write is the one function that writes.
type wire struct {
	s       *Stream
	timeout time.Duration
	other   *other // where there is no descriptor
	job     job    // what is being written

	d        atomic.Pointer[deadline.Deadline] // of a write that waits; made on demand
	written  atomic.Int64                      // bytes of values that the net.Conn took, ever
	rawBytes atomic.Int64                      // bytes that raw writes moved, ever
}

// other is the way out through a net.Conn without a descriptor.
type other struct {
	TryWriter                  // the net.Conn, or a pump
	limit     deadline.Context // what bounds its WaitWrite: the socket of the deadline
}

// job is something to write: head and body, or what raw moves.
type job struct {
	head, body []byte
	raw        RawFunc
	n          int  // bytes taken
	more       bool // there is more to write
	wait       bool // until something is taken
	fd         fdWriter
}

func (w *wire) init(s *Stream, timeout time.Duration) {
	w.s, w.timeout = s, max(timeout, 0)
	if s.fd != nil {
		w.job.fd.init(w)
		return
	}
	w.other = new(other)
	var ok bool
	if w.other.TryWriter, ok = s.nc.(TryWriter); !ok {
		w.other.TryWriter = newPump(s, w.timeout)
	}
}

// writeSocket is the wire as the socket of its deadline.
type writeSocket wire

func (w *writeSocket) SetDeadline(t time.Time) error { return w.s.nc.SetWriteDeadline(t) }
func (w *writeSocket) Panicked(v any)                { _ = w.s.panicked(v) }

// deadline returns the deadline of writes, which is made then if it has not been.
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
	if err := w.s.Out.end.failure(); err != nil { // which may have missed d
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

// took notes that n bytes of the job have been taken. again is of raw.
func (w *wire) took(n int, again bool) {
	j := &w.job
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
// been written, when ctx ends, which its error says, or when the half fails, which it has ended then. A nil ctx does not
// end.
func (w *wire) write(ctx context.Context, wait bool, head, body []byte, raw RawFunc) (n int, err error) {
	j := &w.job
	j.head, j.body, j.raw, j.n, j.more = head, body, raw, 0, true
	if w.s.fd != nil && raw == nil && !wait { // nothing that could panic is called: neither others nor a ctx
		err = w.run(ctx, wait)
	} else {
		err = w.runGuarded(ctx, wait)
	}
	j.head, j.body, j.raw = nil, nil, nil
	return j.n, err
}

// runGuarded is run of what calls others, who may panic.
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

// attempt writes what is taken without blocking, or, if wait is true, waits until something is.
func (w *wire) attempt(wait bool) error {
	j := &w.job
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
		if err := w.other.WaitWrite(&w.other.limit); err != nil {
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
				d.Extend(p.took(n))
			}
		}
		if err != nil {
			err = d.Judge(ctx, err)
			if err == deadline.Late && p.renew(w.s) {
				d.Extend(p.until)
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// wake tells those who wait for room, or for a flush, that something has changed.
func (w *wire) wake() {
	w.s.Out.mu.Lock()
	defer w.s.Out.mu.Unlock()
	w.s.Out.news.tell()
}

// minRate is how many bytes a second are progress.
const minRate = 240

// patience bounds a wait by a timeout without progress. Progress is minRate on average: each byte gives as much time as
// it may take, up to the timeout.
type patience struct {
	timeout time.Duration
	until   time.Time
	peer    int64 // what the peer had taken at the last look
}

func (p *patience) begin(s *Stream) time.Time {
	if p.timeout > 0 {
		p.until = time.Now().Add(p.timeout)
		p.peer = s.peerTook()
	}
	return p.until
}

// renew reports whether the peer made progress that the net.Conn has not passed on: it may be full until much has left.
func (p *patience) renew(s *Stream) bool {
	before := p.peer
	p.peer = s.peerTook()
	return p.peer > before && time.Now().Before(p.took(int(p.peer-before)))
}

func (p *patience) took(n int) time.Time {
	most := time.Now().Add(p.timeout)
	if p.until = p.until.Add(time.Duration(n) * time.Second / minRate); p.until.After(most) {
		p.until = most
	}
	return p.until
}

// judge returns what an error of a write means to the caller, and ends the half unless it concerns that call alone.
func (w *wire) judge(ctx context.Context, err error) error {
	failure := w.s.Out.end.failure()
	switch {
	case w.job.n == 0 && errors.Is(err, errors.ErrUnsupported): // a raw write was not possible at all
		return err
	case failure != nil:
		return failure
	case err == deadline.Late:
		err = w.s.opError("write", &deadline.Timeout{Text: "peer took nothing for " + w.timeout.String()})
		w.s.Abort(err) // a reset, since something is missing
		return err
	case ctx != nil && deadline.Resumable(ctx, err):
		return err
	}
	err = w.s.explained("write", err)
	w.s.failed(err)
	w.s.Out.end.Set(err)
	w.s.Out.lose(err)
	w.s.outEnded(true, false)
	return err
}
