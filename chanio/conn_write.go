package chanio

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// tryWriter writes what it can without blocking.
type tryWriter interface {
	TryWrite(p []byte) (int, error)
}

// directWriter writes what it can of two slices without blocking.
type directWriter interface {
	TryWriteBoth(head, body []byte) (int, error)
	tryWriter
}

// oneByOne makes a directWriter of a tryWriter.
type oneByOne struct{ tryWriter }

func (w oneByOne) TryWriteBoth(head, body []byte) (int, error) {
	n, err := w.TryWrite(head)
	if err != nil || n < len(head) {
		return n, err
	}
	m, err := w.TryWrite(body)
	return n + m, err
}

// push writes what is in the buffer without blocking, unless somebody is writing, who will then see to it.
func (o *outlet) push() {
	if o.writing || len(o.buf) == 0 || o.err != nil {
		return
	}
	o.writing = true
	if o.direct == nil {
		go o.finish(nil)
		return
	}
	for len(o.buf) > 0 && o.err == nil {
		blk := o.takeBuf()
		p := o.rest
		o.mu.Unlock()
		n, err := o.direct.TryWrite(p)
		o.mu.Lock()
		o.wrote(n, err)
		if o.err == nil && len(o.rest) > 0 {
			go o.finish(blk)
			return
		}
		blk.giveBack()
	}
	o.stopWriting()
}

// takeBuf moves the buffer to rest, which is empty, and returns the block to be given back when that has been written.
func (o *outlet) takeBuf() *block {
	blk := o.blk
	o.rest, o.buf, o.blk = o.buf, nil, nil
	o.pending.Store(false)
	if o.armed && o.timer.Stop() { // cheaper than letting it fire
		o.armed = false
	}
	return blk
}

// wrote notes the result of a write of rest.
func (o *outlet) wrote(n int, err error) {
	if o.err != nil {
		return // an abort has dropped everything
	}
	o.written.Add(int64(n))
	if o.rest = o.rest[n:]; len(o.rest) == 0 {
		o.rest = nil
	}
	if err != nil {
		o.fail(err)
	}
	o.change()
}

// recycle returns the block of the buffer if nothing is in it.
func (o *outlet) recycle() {
	if len(o.buf) == 0 && o.blk != nil {
		o.blk.giveBack()
		o.blk, o.buf = nil, nil
	}
}

func (o *outlet) stopWriting() {
	o.writing = false
	o.recycle()
	o.change()
}

// finish writes, blocking, until there is nothing left to write. It owns writing, and blk, if rest lies in one.
func (o *outlet) finish(blk *block) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil {
		if len(o.rest) == 0 {
			blk.giveBack()
			if len(o.buf) == 0 {
				break
			}
			blk = o.takeBuf()
		}
		p := o.rest
		o.blocked = true
		o.mu.Unlock()
		n, err := o.blockOnce(context.Background(), p)
		o.mu.Lock()
		o.blocked = false
		o.wrote(n, o.probed(err))
	}
	o.stopWriting()
}

// block writes p, as long as ctx lives and the peer takes something within the write timeout.
func (o *outlet) block(ctx context.Context, p []byte) (n int, err error) {
	for n < len(p) && err == nil && ctx.Err() == nil {
		var m int
		m, err = o.blockOnce(ctx, p[n:])
		n += m
	}
	return n, err
}

// blockOnce writes p, or what of it the peer takes within the write timeout if that is more than nothing.
func (o *outlet) blockOnce(ctx context.Context, p []byte) (n int, err error) {
	if o.writeTimeout > 0 {
		if err := o.c.nc.SetWriteDeadline(time.Now().Add(o.writeTimeout)); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, nil // its own deadline may have been overwritten
		}
	}
	n, err = o.c.nc.Write(p)
	if n > 0 && o.writeTimeout > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// writeInPlace writes the buffer and then body, which is not copied unless ctx ends first; a goroutine then finishes the
// copy.
func (o *outlet) writeInPlace(ctx context.Context, body []byte) {
	o.writing = true
	head := o.buf
	blk := o.takeBuf()
	o.rest = body // counts against the room until it has been written
	o.mu.Unlock()
	n, err := o.writeBoth(ctx, head, body)
	o.mu.Lock()
	if o.err == nil {
		o.rest = nil
		if n < len(head)+len(body) && err == nil {
			o.rest = slices.Concat(head[min(n, len(head)):], body[max(n-len(head), 0):])
		}
		o.written.Add(int64(n))
		if err != nil {
			o.fail(err)
		}
		o.change()
	}
	blk.giveBack()
	if o.err == nil && len(o.rest)+len(o.buf) > 0 {
		go o.finish(nil)
		return
	}
	o.stopWriting()
}

// writeBoth writes head and body for as long as ctx lives. Short of an error, what is missing is still to be written.
func (o *outlet) writeBoth(ctx context.Context, head, body []byte) (n int, err error) {
	n, err = o.direct.TryWriteBoth(head, body)
	if err != nil || n == len(head)+len(body) {
		return n, err
	}
	defer o.gate.release() // also if ctx has ended, since that sets the deadline
	if o.gate.enter(ctx) != nil {
		return n, nil
	}
	for _, p := range [][]byte{head[min(n, len(head)):], body[max(n-len(head), 0):]} {
		m, err := o.block(ctx, p)
		if n += m; err != nil || m < len(p) {
			if o.gate.judge(ctx, err) != err {
				err = nil // ctx has ended
			}
			return n, err
		}
	}
	return n, nil
}
