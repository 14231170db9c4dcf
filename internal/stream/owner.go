package stream

import (
	"context"
	"errors"
	"slices"

	"github.com/weir-go/weir/internal/deadline"
)

// ownLocked makes the caller the owner of busy. It waits, unlocked, while there is another owner.
func (w *Writer) ownLocked(ctx context.Context) error {
	w.waiting++
	defer func() {
		if w.waiting--; w.waiting == 0 {
			w.news.tell()
		}
	}()
	err := w.refusalLocked()
	if err == nil && (w.busy || w.starves) {
		err = w.lineUpLocked(ctx, func() bool { return !w.busy })
	}
	if err != nil {
		return err
	}
	w.busy = true
	return nil
}

// restLocked ends the ownership. It writes what has been accepted meanwhile, without blocking.
func (w *Writer) restLocked() {
	w.busy = false
	w.queue.settle()
	w.news.tell()
	if !w.end.Ended() {
		w.pushLocked()
	}
}

// finish writes the rest of p from n on, and then the queue until it is empty. The caller owns busy.
func (w *Writer) finish(p []byte, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.end.Ended() {
		if n == len(p) {
			w.queue.release(p)
			if len(w.queue.buf) == 0 {
				break
			}
			p, n = w.queue.take(), 0
		}
		m, _ := w.wire.writeUnlocked(deadline.NoContext, true, p[n:], nil, nil)
		n += m
	}
	w.restLocked()
}

// sendInPlaceLocked writes the queue, scratch, and then body without copying it. If ctx ends first, the rest is copied
// and a goroutine writes the copy.
func (w *Writer) sendInPlaceLocked(ctx context.Context, scratch, body []byte) error {
	if err := w.ownLocked(ctx); err != nil {
		w.queue.release(scratch)
		return err
	}
	if len(scratch) > 0 {
		w.queue.accept(scratch, nil)
	}
	w.queue.accepted += int64(len(body))
	head := w.queue.take()
	n, _ := w.wire.writeUnlocked(ctx, true, head, body, nil)
	missing, err := n < len(head)+len(body), w.end.failure()
	if missing && err == nil { // ctx has ended, but the value is accepted
		w.mu.Unlock()
		defer w.mu.Lock()
		go w.finish(slices.Concat(head[min(n, len(head)):], body[max(n-len(head), 0):]), 0)
		return nil
	}
	w.queue.release(head)
	w.restLocked()
	if !missing {
		err = nil
	}
	return err
}

// WriteRaw implements [RawSink].
func (w *Writer) WriteRaw(ctx context.Context, write RawFunc) (n int, err error) {
	if w.wire.s.fd == nil {
		return 0, errors.ErrUnsupported
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err = w.ownLocked(ctx); err != nil {
		return 0, err
	}
	for len(w.queue.buf) > 0 {
		w.restLocked()
		if err = w.ownLocked(ctx); err != nil {
			return 0, err
		}
	}
	defer w.restLocked()
	n, err = w.wire.writeUnlocked(ctx, true, nil, nil, write)
	if failure := w.end.failure(); failure != nil {
		err = failure
	}
	return n, err
}
