package stream

import (
	"errors"

	"github.com/weir-go/weir/internal/deadline"
)

// Close drains within the linger bound, then ends the stream to the peer. If that takes too long the stream is aborted.
// Where there is no half-close, Close drains and returns errors.ErrUnsupported; the peer sees the end when the stream is
// released. Calls after the first wait for it.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closing {
		for !w.closed {
			w.waitLocked()
		}
		defer w.mu.Unlock()
		return w.closeErr
	}
	w.closing = true
	w.changeLocked()
	w.mu.Unlock()
	w.end.BeginClose(nil)
	err := w.shut()
	failed := err != nil && !errors.Is(err, errors.ErrUnsupported)
	if failed {
		w.end.Set(err)
	} else {
		w.end.Set(nil)
	}
	w.mu.Lock()
	w.closed, w.closeErr = true, err
	w.rule.StopLocked()
	w.changeLocked()
	w.mu.Unlock()
	w.s.outEnded(failed, err == nil)
	return err
}

// waitLocked waits, unlocked, until something changes.
func (w *Writer) waitLocked() {
	moved := w.newsLocked()
	w.mu.Unlock()
	defer w.mu.Lock()
	<-moved
}

// shut drains and half-closes.
func (w *Writer) shut() error {
	if quick, err := w.drained(); quick || err != nil {
		if err == nil {
			err = w.s.closeWriteQuickly()
		}
		return err
	}
	ctx, stop := w.end.Lingering()
	defer stop()
	err := w.Flush(ctx)
	if err == nil {
		err = w.s.closeWrite(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = deadline.Cause(ctx)
		w.s.Abort(err)
	}
	return err
}

// drained reports whether nothing is left to drain, so that the half-close does not wait.
func (w *Writer) drained() (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pushLocked()
	return w.s.fd != nil && !w.busy && w.written.Load() == w.accepted, w.err
}

// discard drops what was accepted, and makes every other call return cause. It is the Writer's part of an abort.
func (w *Writer) discard(cause error) {
	w.mu.Lock()
	if w.err == nil && !w.closed {
		w.err = cause
		w.buf = nil
		w.pending.Store(false)
	}
	w.rule.StopLocked()
	w.changeLocked()
	d := w.d
	w.mu.Unlock()
	if d != nil {
		d.Close(cause)
	}
}

// fail ends the half because a write failed.
func (w *Writer) fail(err error) {
	w.mu.Lock()
	if w.err != nil {
		w.mu.Unlock()
		return
	}
	w.err = err
	w.buf = nil
	w.pending.Store(false)
	w.rule.StopLocked()
	w.mu.Unlock()
	w.s.failed(err)
	w.end.Set(err)
	w.wake() // after the end: who is told finds it
	w.s.outEnded(true, false)
}

// lost is fail for a write that had been taken over by the pump.
func (w *Writer) lost(err error) { w.fail(w.s.explained(err)) }
