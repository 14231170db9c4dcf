package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/line"
)

const (
	// DefaultSendBuffer is how many bytes may be accepted and not yet written before senders wait.
	DefaultSendBuffer = 64 << 10

	holdSize   = 16 << 10 // nothing is held back beyond this many bytes
	inPlaceMin = 16 << 10 // the smallest body that is written without being copied
)

// Writer is the sending half of a [Stream]: a combining writer, a [ByteSink] and a [RawSink]. Senders append to one
// buffer. A sender that finds no owner becomes the owner and writes for all, without blocking. A goroutine writes the
// rest that the net.Conn does not take, and ends when the buffer is empty. So a call waits only for room.
//
// Methods that end in Locked want mu held; those that say so unlock it meanwhile.
type Writer struct {
	end  End
	room int64 // see Config.SendBuffer
	wire wire  // for the owner of busy

	mu      sync.Mutex
	queue   queue     // accepted, and not being written
	news    news      // of anything that changes
	line    line.Line // of senders that wait
	waiting int32     // senders that wait to become the owner, before any others
	starves bool      // nobody overtakes those in line
	busy    bool      // there is an owner, which alone writes
	closing bool      // Close has been called; a Sink above may refuse values before that
	closer  *closer
}

// closer is the Close of a Writer. The first call creates it.
type closer struct {
	once sync.Once
	err  error // result of Close
}

// Ending returns the end of the half, which reports whether anything is accepted, and why not.
func (w *Writer) Ending() *End { return &w.end }

// Begin lends scratch.
func (w *Writer) Begin() []byte { return w.queue.begin() }

// Send waits for room and accepts p.
func (w *Writer) Send(ctx context.Context, p []byte) error { return w.End(ctx, nil, p) }

// End waits for room and accepts scratch, which Begin lent, followed by body.
func (w *Writer) End(ctx context.Context, scratch, body []byte) error {
	if len(scratch)+len(body) == 0 {
		w.queue.release(scratch)
		return nil
	}
	w.mu.Lock()
	if w.hasRoomLocked() && w.queue.join(scratch, body) { // most values of a run take only this
		w.mu.Unlock()
		return nil
	}
	defer w.mu.Unlock()
	if len(body) >= inPlaceMin {
		return w.sendInPlaceLocked(ctx, scratch, body)
	}
	if err := w.makeRoomLocked(ctx); err != nil {
		w.queue.release(scratch)
		return err
	}
	if len(scratch) == 0 && !w.busy && len(w.queue.buf) == 0 && !w.queue.rule.HoldsLocked() {
		w.queue.release(scratch)
		return w.sendNowLocked(body)
	}
	w.queue.accept(scratch, body)
	return w.offerLocked()
}

// sendNowLocked accepts a small body and writes it without copying or blocking. It copies what the net.Conn does not
// take. The error is the reason why the body was lost. There must be no owner, and the queue must be empty.
func (w *Writer) sendNowLocked(body []byte) error {
	w.busy = true
	w.queue.accepted += int64(len(body))
	n, _ := w.wire.writeUnlocked(deadline.NoContext, false, nil, body, nil)
	if n == len(body) {
		w.restLocked()
		return nil
	}
	if w.end.Ended() {
		w.restLocked()
		return w.end.failure()
	}
	go w.finish(append(w.queue.begin(), body[n:]...), 0)
	return nil
}

// TryEnd accepts scratch and body if there is room now. It takes scratch without bytes back in any case.
func (w *Writer) TryEnd(scratch, body []byte) (bool, error) {
	empty := len(scratch)+len(body) == 0
	if empty {
		w.queue.release(scratch)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hasRoomLocked() {
		w.pushLocked()
	}
	if !w.hasRoomLocked() {
		return false, w.refusalLocked()
	}
	if empty {
		return true, nil
	}
	w.queue.accept(scratch, body)
	err := w.offerLocked()
	return err == nil, err
}

// SendAll accepts values in order and returns how many: all of them unless there is an error. Values of other senders
// may come between them, after 16 KiB at the latest.
func (w *Writer) SendAll(ctx context.Context, ps [][]byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(ps) && err == nil {
		if len(ps[n]) >= inPlaceMin {
			if err = w.sendInPlaceLocked(ctx, nil, ps[n]); err == nil {
				n++
			}
			continue
		}
		if err = w.makeRoomLocked(ctx); err != nil {
			break
		}
		before := w.queue.accepted
		for more := true; more; { // the first has room, even if others wait in line
			w.queue.accept(nil, ps[n])
			n++
			more = n < len(ps) && len(ps[n]) < inPlaceMin && w.queue.accepted-before < holdSize && w.hasRoomLocked()
		}
		err = w.offerLocked()
	}
	return n, err
}

// hasRoomLocked reports whether a value can be accepted.
func (w *Writer) hasRoomLocked() bool {
	return !w.starves && w.waiting == 0 && w.roomLocked()
}

func (w *Writer) roomLocked() bool {
	return !w.closing && !w.end.Ended() && w.queue.accepted-w.wire.written.Load() < w.room
}

// refusalLocked returns why nothing is accepted any more.
func (w *Writer) refusalLocked() error {
	if !w.closing && !w.end.Ended() {
		return nil
	}
	return w.end.refusal()
}

// makeRoomLocked waits, unlocked, until a value may be accepted.
func (w *Writer) makeRoomLocked(ctx context.Context) error {
	if w.hasRoomLocked() {
		return nil
	}
	return w.lineUpLocked(ctx, w.roomLocked)
}

// offerLocked writes what has been accepted, or holds it back. It may unlock. The error is the reason why it was lost.
func (w *Writer) offerLocked() error {
	mark := w.queue.accepted
	if len(w.queue.buf) < holdSize && w.queue.holdsBack() {
		w.queue.rule.ArmLocked(w.wire.written.Load(), w)
		return nil
	}
	w.pushLocked()
	if w.end.Ended() && w.wire.written.Load() < mark {
		return w.end.failure()
	}
	return nil
}

// DelayPassed implements coalesce.Output.
func (w *Writer) DelayPassed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue.rule.PassedLocked(w.wire.written.Load(), len(w.queue.buf) > 0 && !w.end.Ended(), w) {
		w.pushLocked()
	}
}

// letGo writes what is held back, because a receiver is about to wait.
func (w *Writer) letGo() {
	w.queue.rule.Received()
	if w.queue.held.Load() {
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
	w.queue.rule.CorkLocked(on)
	if !on && !w.queue.rule.HoldsLocked() {
		w.pushLocked()
	}
}

// SetDeadline bounds blocked and later calls by a time; the zero time means no bound. A call that it ends returns a
// resumable [deadline.Timeout].
func (w *Writer) SetDeadline(t time.Time) {
	if t.IsZero() && w.wire.d.Load() == nil {
		return
	}
	w.wire.deadline().SetAt(t)
	w.wire.wake()
}

// awaitLocked waits, unlocked, until something changes or ctx ends. If the caller can change something itself, it does
// not wait.
func (w *Writer) awaitLocked(ctx context.Context) error {
	before := w.wire.written.Load()
	w.pushLocked()
	if w.wire.written.Load() != before || w.end.Ended() {
		return nil
	}
	moved := w.news.next()
	var passed <-chan struct{}
	if d := w.wire.d.Load(); d != nil && !w.closing {
		passed = d.Passed()
	}
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-moved:
		return nil
	case <-passed:
		return deadline.Exceeded
	case <-ctx.Done():
		return deadline.Cause(ctx)
	}
}

// Flush returns when everything accepted before has been written and has left buffers below. While the half is closing,
// it waits for a raw write too, which a half-close would truncate.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	var err error
	for upTo := w.queue.accepted; err == nil && !w.end.Ended() && (w.wire.written.Load() < upTo || w.closing && w.busy); {
		err = w.awaitLocked(ctx)
	}
	w.mu.Unlock()
	if err == nil {
		err = w.end.failure()
	}
	if err != nil {
		return err
	}
	return w.wire.flush(ctx)
}

// pushLocked writes the queue, unlocked and without blocking. If there is an owner, that one writes it.
func (w *Writer) pushLocked() {
	if w.busy || len(w.queue.buf) == 0 {
		return
	}
	w.busy = true
	for len(w.queue.buf) > 0 && !w.end.Ended() {
		p := w.queue.take()
		n, _ := w.wire.writeUnlocked(deadline.NoContext, false, p, nil, nil)
		if n < len(p) && !w.end.Ended() {
			go w.finish(p, n)
			return
		}
		w.queue.release(p)
	}
	w.restLocked()
}

// Close drains within the linger bound, then ends the stream to the peer. If that takes too long, the stream is
// aborted. Without a half-close, Close drains and returns errors.ErrUnsupported, and the peer sees the end when the
// stream is released. Later calls wait for the first.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closer == nil {
		w.closer = new(closer)
	}
	first, c := false, w.closer
	w.mu.Unlock()
	c.once.Do(func() {
		first = true
		w.end.BeginClose(nil)
		w.mu.Lock()
		w.closing = true
		w.news.tell()
		w.pushLocked()
		drained := !w.busy && w.wire.written.Load() == w.queue.accepted
		w.mu.Unlock()
		err := w.end.failure()
		if err == nil {
			err = w.wire.shut(drained)
		}
		c.err = err
		w.end.Set(supported(err))
		w.mu.Lock()
		w.queue.rule.StopLocked()
		w.news.tell()
		w.mu.Unlock()
	})
	if first { // not before: it may call back
		w.wire.s.outEnded(supported(c.err) != nil, c.err == nil)
	}
	return c.err
}

// supported returns err, or nil if err means that the system or the net.Conn does not support the operation.
func supported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// lose drops what was accepted, because the half has ended with cause, and wakes all waiting goroutines.
func (w *Writer) lose(cause error) {
	w.mu.Lock()
	w.queue.take()
	w.queue.rule.StopLocked()
	w.news.tell()
	w.mu.Unlock()
	if d := w.wire.d.Load(); d != nil {
		d.Close(cause)
	}
}
