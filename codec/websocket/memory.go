package websocket

import (
	"context"
	"errors"
	"net"
)

// memory is the state that context takeover keeps between messages.
type memory struct {
	z      *deflater // of what is sent; made for the first message, and owned by the one that is alone in the gate
	window []byte    // the end of what was received; it belongs to the reader
}

// remembers reports whether sent messages may refer to earlier ones.
func (w *writer) remembers() bool {
	return w.cfg.Deflate != nil && !w.cfg.Extension.sendsFresh(w.cfg.Client)
}

// sendRemembered sends messages in the order in which they are compressed.
func (w *writer) sendRemembered(ctx context.Context, m Message) error {
	if err := w.gate.enter(ctx, aloneMessage); err != nil {
		return w.sendError(err)
	}
	defer w.leaveAlone()
	_, err := w.compressAndSend(&m, func(p packet) (bool, error) { return true, w.handOver(ctx, p.scratch, p.body) })
	return err
}

// sendAllRemembered is sendAll for such a connection.
//
//go:noinline
func (w *writer) sendAllRemembered(ctx context.Context, ms []Message) (n int, err error) {
	for n, m := range ms {
		if err := w.sendRemembered(ctx, m); err != nil {
			return n, err
		}
	}
	return len(ms), nil
}

func (w *writer) trySendRemembered(m Message) (bool, error) {
	if ok, err := w.gate.tryEnter(aloneMessage); err != nil {
		return false, w.refusal()
	} else if !ok {
		return false, nil
	}
	defer w.leaveAlone()
	return w.compressAndSend(&m, func(p packet) (bool, error) { return w.low.TryEnd(p.scratch, p.body) })
}

// leaveAlone lets other messages follow.
func (w *writer) leaveAlone() {
	if shut := w.gate.leave(aloneMessage); shut {
		w.forget()
	}
}

// forget returns the compressor to its pool after the last message. It is called when the gate is shut.
func (w *writer) forget() {
	if w.memory == nil {
		return
	}
	var z *deflater
	w.gate.mu.Lock()
	if !w.gate.alone { // otherwise the message that is alone has leaveAlone call it
		z, w.memory.z = w.memory.z, nil
	}
	w.gate.mu.Unlock()
	if z != nil {
		z.free()
	}
}

// compressAndSend has end send m. The caller is alone in the gate. A message that is not sent is not referred to.
func (w *writer) compressAndSend(m *Message, end func(packet) (bool, error)) (ok bool, err error) {
	deflates := w.deflates(m)
	if deflates && w.memory.z == nil && !m.isPrepared() {
		if w.memory.z, err = w.cfg.Deflate.newDeflater(w.cfg.Extension.sendBits(w.cfg.Client)); err != nil {
			return false, err
		}
	}
	z := w.memory.z
	var p packet
	if err := w.encode(&p, w.low.Begin(), m, z); err != nil {
		return false, err
	}
	defer p.release()
	if ok, err := w.gate.tryEnter(control); !ok {
		if errors.Is(err, net.ErrClosed) {
			err = w.refusal()
		}
		return false, err
	}
	defer w.gate.leave(control)
	ok, err = end(p)
	if z != nil && deflates {
		z.keep = ok && err == nil && !m.isPrepared()
	}
	return ok, err
}
