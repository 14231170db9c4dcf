package stream

import (
	"context"
	"errors"
	"os"
	"slices"
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

// job is something to write: head and body, or what raw moves.
type job struct {
	head, body []byte
	raw        RawFunc
	n          int  // bytes taken
	more       bool // there is more to write
}

// took notes that n bytes of the job have been taken. again is of raw.
func (w *Writer) took(n int, again bool) {
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

// write is the one function that writes: head and body, or what raw moves. It counts what the net.Conn takes as that
// happens. The owner of busy calls it, with mu held, which it unlocks meanwhile.
//
// If wait is false, write does not block and may leave something unwritten. Otherwise it returns when everything has
// been written, when ctx ends, which its error says, or when the half fails, which it has ended then. A nil ctx does not
// end.
func (w *Writer) writeLocked(ctx context.Context, wait bool, head, body []byte, raw RawFunc) (n int, err error) {
	j := &w.job
	j.head, j.body, j.raw, j.n, j.more = head, body, raw, 0, true
	w.mu.Unlock()
	defer w.mu.Lock()
	returned := false
	defer func() {
		if !returned {
			v := recover()
			n, err = j.n, w.s.panicked(v)
			if v != nil && raw != nil {
				panic(v)
			}
		}
	}()
	err = w.attempt(false)
	if err == nil && wait && j.more {
		err = w.writeOn(ctx)
	}
	j.head, j.body, j.raw = nil, nil, nil
	if err != nil {
		err = w.judge(ctx, err)
	}
	returned = true
	return j.n, err
}

// attempt writes what is taken without blocking, or, if wait is true, waits until something is.
func (w *Writer) attempt(wait bool) error {
	if w.s.fd != nil {
		return w.fd.write(wait)
	}
	j := &w.job
	for before := j.n; j.more; {
		p := j.head
		if len(p) == 0 {
			p = j.body
		}
		n, err := w.try.TryWrite(p)
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
		if err := w.try.WaitWrite(w.limit); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = os.ErrDeadlineExceeded
			}
			return err
		}
	}
	return nil
}

// writeOn writes the rest of the job, blocking.
func (w *Writer) writeOn(ctx context.Context) error {
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

// wake tells those who wait that bytes have been taken.
func (w *Writer) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changeLocked()
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
func (w *Writer) judge(ctx context.Context, err error) error {
	failure := w.failure()
	switch {
	case w.job.unsupported(err):
		return err
	case failure != nil:
		return failure
	case err == deadline.Late:
		err = w.s.opError("write", &deadline.Timeout{Text: "peer took nothing for " + w.timeout.String()})
		w.s.Abort(err) // a reset, since something is missing
		return err
	case ctx != nil && deadline.Resumable(ctx, err):
		return err
	default:
		err = w.s.explained(w.s.cleanError("write", err))
	}
	w.fail(err)
	return err
}

// unsupported reports whether a raw write was not possible at all.
func (j *job) unsupported(err error) bool { return j.n == 0 && errors.Is(err, errors.ErrUnsupported) }

// pushLocked writes what is in the buffer, unlocked and without blocking, unless somebody is writing, who will then see
// to it.
func (w *Writer) pushLocked() {
	if w.busy || len(w.buf) == 0 || w.err != nil {
		return
	}
	w.busy = true
	for len(w.buf) > 0 && w.err == nil {
		p := w.takeLocked()
		n, _ := w.writeLocked(deadline.NoContext, false, p, nil, nil)
		if n < len(p) && w.err == nil {
			go w.finish(p, n)
			return
		}
		w.release(p)
	}
	w.restLocked()
}

// takeLocked takes the buffer, which is to be released when it has been written.
func (w *Writer) takeLocked() []byte {
	p := w.buf
	w.buf = nil
	w.pending.Store(false)
	w.rule.DisarmLocked()
	return p
}

// restLocked ends the ownership, when the buffer is empty.
func (w *Writer) restLocked() {
	w.busy = false
	if a := w.spare.Swap(nil); a != nil {
		scratches.Put(a)
	}
	w.changeLocked()
}

// finish writes the rest of p from n on, and then what is in the buffer, until that is empty. It owns busy.
func (w *Writer) finish(p []byte, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil {
		if n == len(p) {
			w.release(p)
			if len(w.buf) == 0 {
				break
			}
			p, n = w.takeLocked(), 0
		}
		m, _ := w.writeLocked(deadline.NoContext, true, p[n:], nil, nil)
		n += m
	}
	w.restLocked()
}

// ownLocked makes the caller the owner of busy. It waits, unlocked, until nobody is.
func (w *Writer) ownLocked(ctx context.Context) error {
	w.waiting++
	defer func() {
		if w.waiting--; w.waiting == 0 {
			w.changeLocked()
		}
	}()
	for w.busy {
		if err := w.refusalLocked(); err != nil {
			return err
		}
		if err := w.awaitLocked(ctx); err != nil {
			return err
		}
	}
	if err := w.refusalLocked(); err != nil {
		return err
	}
	w.busy = true
	return nil
}

// sendInPlaceLocked writes what is in the buffer, scratch, and then body, which is not copied unless ctx ends first; a
// goroutine then finishes the copy.
func (w *Writer) sendInPlaceLocked(ctx context.Context, scratch, body []byte) error {
	if err := w.ownLocked(ctx); err != nil {
		w.release(scratch)
		return err
	}
	if len(scratch) > 0 {
		w.acceptLocked(scratch, nil)
	}
	w.accepted += int64(len(body))
	head := w.takeLocked()
	n, _ := w.writeLocked(ctx, true, head, body, nil)
	switch missing := n < len(head)+len(body); {
	case missing && w.err != nil:
		w.restLocked()
		return w.err
	case missing: // ctx has ended, but the value is accepted
		go w.finish(slices.Concat(head[min(n, len(head)):], body[max(n-len(head), 0):]), 0)
		return nil
	}
	w.release(head)
	w.disownLocked()
	return nil
}

// disownLocked ends the ownership and writes, without blocking, what has been accepted meanwhile.
func (w *Writer) disownLocked() {
	w.restLocked()
	w.pushLocked()
}

// WriteRaw is of [RawSink].
func (w *Writer) WriteRaw(ctx context.Context, write RawFunc) (n int, err error) {
	if w.s.fd == nil {
		return 0, errors.ErrUnsupported
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ownEmptyLocked(ctx); err != nil {
		return 0, err
	}
	defer w.disownLocked()
	n, err = w.writeLocked(ctx, true, nil, nil, write)
	if w.err != nil {
		err = w.err
	}
	return n, err
}

// ownEmptyLocked makes the caller the owner when everything that was accepted has been written.
func (w *Writer) ownEmptyLocked(ctx context.Context) error {
	for {
		if err := w.ownLocked(ctx); err != nil || len(w.buf) == 0 {
			return err
		}
		w.disownLocked()
	}
}
