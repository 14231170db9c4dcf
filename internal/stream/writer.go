package stream

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/internal/coalesce"
	"github.com/weir-go/weir/internal/deadline"
)

const (
	// DefaultSendBuffer is how many bytes may be accepted and not yet written before senders wait.
	DefaultSendBuffer = 64 << 10

	holdSize   = 16 << 10 // bytes beyond which nothing is held back
	inPlaceMin = 16 << 10 // the smallest body that is written without being copied
)

// Writer is the sending half of a [Stream]: a combining writer, and a [ByteSink] and [RawSink]. Senders append to one
// buffer; one that finds that nobody is writing writes for all, without blocking. What the net.Conn does not take is
// finished by a goroutine, which ends when the buffer is empty. So only want of room makes anybody wait.
//
// Methods that end in Locked want mu held; those that say so unlock it meanwhile.
type Writer struct {
	s       *Stream
	end     End
	rule    coalesce.Rule
	room    int64 // see Config.SendBuffer
	timeout time.Duration

	fd    fdWriter
	try   TryWriter         // nc, or the pump, where there is no descriptor
	limit *deadline.Context // what a wait of try is bounded by: the socket of d
	job   job               // what the owner of busy writes

	mu       sync.Mutex
	d        *deadline.Deadline // of a write that waits; made on demand
	buf      []byte             // accepted, and not being written
	accepted int64              // bytes, ever
	moved    chan struct{}      // closed when anything changes, if somebody waits for that
	err      error              // why nothing can be sent any more
	closeErr error              // what Close returned
	waiting  int32              // senders that wait to become the owner; no others are let in before them
	busy     bool               // somebody is the owner: they write, and nobody else
	closing  bool               // Close has been called
	closed   bool               // it has ended the half

	written  atomic.Int64            // bytes that the net.Conn took, ever
	rawBytes atomic.Int64            // bytes that raw writes moved, ever
	pending  atomic.Bool             // buf is not empty, for letGo
	spare    atomic.Pointer[scratch] // for Begin, while something is held back
}

// scratchSize is the capacity of what Begin lends.
const scratchSize = 32 << 10

type scratch [scratchSize]byte

// scratches are those that nobody uses.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (w *Writer) init(s *Stream, cfg *Config) {
	w.s = s
	w.room = int64(cfg.SendBuffer)
	if w.room <= 0 {
		w.room = DefaultSendBuffer
	}
	w.timeout = max(cfg.WriteTimeout, 0)
	w.rule.Init(cfg.Coalesce)
	w.end.Linger, w.end.Released, w.end.Logger = s.linger, s.released, cfg.Logger
	w.end.Progress = s.progress
	w.fd.init(w)
	if s.fd != nil {
		return
	}
	w.limit = new(deadline.Context)
	var ok bool
	if w.try, ok = s.nc.(TryWriter); !ok {
		w.try = newPump(s, w.timeout)
	}
}

// writeSocket is the Writer as the socket of its deadline.
type writeSocket Writer

func (w *writeSocket) SetDeadline(t time.Time) error { return w.s.nc.SetWriteDeadline(t) }
func (w *writeSocket) Panicked(v any)                { _ = w.s.panicked(v) }

// deadline returns the deadline of writes, which is made then if it has not been.
func (w *Writer) deadline() *deadline.Deadline {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.d != nil {
		return w.d
	}
	w.d = new(deadline.Deadline)
	if w.limit != nil {
		w.d.Init(w.limit)
	} else {
		w.d.Init((*writeSocket)(w))
	}
	if w.err != nil {
		w.d.Close(w.err)
	}
	return w.d
}

// failure returns why nothing can be sent any more.
func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// taken returns how many bytes have left.
func (w *Writer) taken() int64 { return w.written.Load() + w.rawBytes.Load() }

// Ending returns the end of the half.
func (w *Writer) Ending() *End { return &w.end }

// Begin lends scratch.
func (w *Writer) Begin() []byte {
	if w.spare.Load() != nil {
		if a := w.spare.Swap(nil); a != nil {
			return a[:0]
		}
	}
	return scratches.Get().(*scratch)[:0]
}

// release takes back what Begin lent. It is kept for the next Begin while something is held back.
func (w *Writer) release(p []byte) {
	if cap(p) != scratchSize {
		return // grown, or not ours
	}
	a := (*scratch)(p[:scratchSize])
	if w.pending.Load() && w.spare.CompareAndSwap(nil, a) {
		return
	}
	scratches.Put(a)
}

// Send waits for room and accepts p.
func (w *Writer) Send(ctx context.Context, p []byte) error { return w.send(ctx, nil, p) }

// End waits for room and accepts scratch, which Begin lent, followed by body.
func (w *Writer) End(ctx context.Context, scratch, body []byte) error {
	return w.send(ctx, scratch, body)
}

func (w *Writer) send(ctx context.Context, scratch, body []byte) error {
	if len(scratch)+len(body) == 0 {
		w.release(scratch)
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(body) >= inPlaceMin {
		return w.sendInPlaceLocked(ctx, scratch, body)
	}
	if err := w.makeRoomLocked(ctx); err != nil {
		w.release(scratch)
		return err
	}
	w.acceptLocked(scratch, body)
	return w.offerLocked()
}

// TrySend accepts p if there is room now.
func (w *Writer) TrySend(p []byte) (bool, error) { return w.TryEnd(nil, p) }

// TryEnd accepts scratch and body if there is room now.
func (w *Writer) TryEnd(scratch, body []byte) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hasRoomLocked() {
		w.pushLocked()
	}
	if !w.hasRoomLocked() {
		return false, w.refusalLocked()
	}
	if len(scratch)+len(body) == 0 {
		w.release(scratch)
		return true, nil
	}
	w.acceptLocked(scratch, body)
	err := w.offerLocked()
	return err == nil, err
}

// SendAll accepts values in order and returns how many: all of them unless there is an error. Those of others may come
// between. At most 16 KiB are accepted without letting others in.
func (w *Writer) SendAll(ctx context.Context, ps [][]byte) (n int, err error) {
	for n < len(ps) && err == nil {
		if len(ps[n]) >= inPlaceMin {
			if err = w.Send(ctx, ps[n]); err == nil {
				n++
			}
			continue
		}
		var m int
		m, err = w.sendSome(ctx, ps[n:])
		n += m
	}
	return n, err
}

// sendSome accepts small values, at least one unless there is an error.
func (w *Writer) sendSome(ctx context.Context, ps [][]byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.makeRoomLocked(ctx); err != nil {
		return 0, err
	}
	before := w.accepted
	for _, p := range ps {
		if len(p) >= inPlaceMin || w.accepted-before >= holdSize || !w.hasRoomLocked() {
			break
		}
		w.acceptLocked(nil, p)
		n++
	}
	return n, w.offerLocked()
}

// hasRoomLocked reports whether a value may be accepted.
func (w *Writer) hasRoomLocked() bool {
	return w.err == nil && !w.closing && w.waiting == 0 && w.accepted-w.written.Load() < w.room
}

// makeRoomLocked waits, unlocked, until a value may be accepted.
func (w *Writer) makeRoomLocked(ctx context.Context) error {
	for !w.hasRoomLocked() {
		if err := w.refusalLocked(); err != nil {
			return err
		}
		if err := w.awaitLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refusalLocked returns why nothing is accepted any more.
func (w *Writer) refusalLocked() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closing:
		return net.ErrClosed
	}
	return nil
}

// acceptLocked takes over scratch, and a copy of body.
func (w *Writer) acceptLocked(scratch, body []byte) {
	w.accepted += int64(len(scratch) + len(body))
	switch {
	case len(scratch) == 0:
		w.release(scratch)
		if w.buf == nil {
			w.buf = w.Begin()
		}
	case len(w.buf) == 0:
		w.buf = scratch
	default:
		w.buf = append(w.buf, scratch...)
		w.release(scratch)
	}
	if len(body) > 0 {
		w.buf = append(w.buf, body...)
	}
}

// offerLocked writes what has been accepted, or holds it back. It may unlock. The error is why that was lost.
func (w *Writer) offerLocked() error {
	mark := w.accepted
	if !w.pending.Load() {
		w.pending.Store(true)
	}
	if len(w.buf) < holdSize && w.rule.HoldsLocked() {
		w.rule.ArmLocked(w.written.Load(), w)
		return nil
	}
	w.pushLocked()
	if w.err != nil && w.written.Load() < mark {
		return w.err
	}
	return nil
}

// DelayPassed is for the coalesce.Rule.
func (w *Writer) DelayPassed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rule.PassedLocked(w.written.Load(), len(w.buf) > 0 && w.err == nil, w) {
		w.pushLocked()
	}
}

// letGo writes what is held back, because a receiver is about to wait.
func (w *Writer) letGo() {
	w.rule.Received()
	if w.pending.Load() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pushLocked()
	}
}

// Cork(true) allows values to be held back for a moment because more will follow. Cork(false) takes that back and writes
// what was held, without blocking. Calls nest.
func (w *Writer) Cork(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule.CorkLocked(on)
	if !on && len(w.buf) > 0 && !w.rule.HoldsLocked() {
		w.pushLocked()
	}
}

// SetDeadline bounds calls that wait, now or later, by a time of the clock; the zero time takes that back. A call that it
// ends returns a [deadline.Timeout] that is resumable.
func (w *Writer) SetDeadline(t time.Time) {
	w.deadline().SetAt(t)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changeLocked()
}

// awaitLocked waits, unlocked, until something changes or ctx ends. If it can change something itself it does not wait.
func (w *Writer) awaitLocked(ctx context.Context) error {
	before := w.written.Load()
	w.pushLocked()
	if w.written.Load() != before || w.err != nil {
		return nil
	}
	moved := w.newsLocked()
	var passed <-chan struct{}
	if w.d != nil && !w.closing {
		passed = w.d.Passed()
	}
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-moved:
		return nil
	case <-passed:
		return &deadline.Timeout{Text: "deadline exceeded", Call: true}
	case <-ctx.Done():
		return deadline.Cause(ctx) // nil for a deadline.Context that was moved meanwhile
	}
}

// newsLocked returns a channel that is closed when anything changes.
func (w *Writer) newsLocked() <-chan struct{} {
	if w.moved == nil {
		w.moved = make(chan struct{})
	}
	return w.moved
}

// changeLocked wakes those who wait.
func (w *Writer) changeLocked() {
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}

// Flush returns when everything accepted before has been written, and has left what lies below as well.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.flushHere(ctx); err != nil {
		return err
	}
	if f, ok := w.try.(Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// flushHere, beside Close, waits for a raw write too: a half-close would cut it.
func (w *Writer) flushHere(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for upTo := w.accepted; w.err == nil && (w.written.Load() < upTo || w.closing && w.busy); {
		if err := w.awaitLocked(ctx); err != nil {
			return err
		}
	}
	return w.err
}
