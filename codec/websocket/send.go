package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"

	"github.com/weir-go/weir/chanio"
)

// ErrMessage is the error of sending an invalid message: one of unknown kind, or text that is not UTF-8.
var ErrMessage = errors.New("websocket: invalid message")

const (
	batchMax = 16 << 10 // bytes of small messages that are handed over at once
	bodyMin  = 16 << 10 // the smallest payload that is written from where it is
)

// checkMessage returns an error for a message that must not be sent.
func checkMessage(m *Message) error {
	switch {
	case m.Kind != TextMessage && m.Kind != BinaryMessage:
		return fmt.Errorf("%w: %v", ErrMessage, m.Kind)
	case m.Kind == TextMessage && !m.isPrepared() && !utf8.Valid(m.Data):
		return fmt.Errorf("%w: text is not UTF-8", ErrMessage)
	}
	return nil
}

// writer is the sending half of a [Conn]: it makes frames and hands them to the connection below.
type writer struct {
	cfg    *settings // of the Conn
	low    below
	gate   gate
	end    chanio.End // of Out
	memory *memory    // of compression with context takeover; nil without compression
}

// below is the sink of the connection below. Its failures are those of the WebSocket: a *CloseError, like the error of
// Out.
type below struct{ chanio.ByteSink }

func (b below) End(ctx context.Context, scratch, body []byte) error {
	return b.failure(ctx, b.ByteSink.End(ctx, scratch, body))
}

func (b below) TryEnd(scratch, body []byte) (bool, error) {
	ok, err := b.ByteSink.TryEnd(scratch, body)
	return ok, b.failure(context.Background(), err)
}

// failure returns what a call with ctx returns for err.
func (below) failure(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) || chanio.Resumable(ctx, err) {
		return err
	}
	return abnormal(err)
}

// packet is one message as it is passed to the sink: scratch, then body. body may lie in owned, which must be released.
type packet struct {
	scratch, body []byte
	owned         *lease
}

func (p *packet) release() {
	if p.owned != nil {
		p.owned.release()
	}
}

// encode appends m as one frame to scratch and sets p to the result. It leaves a large payload in body. If it returns
// an error, p is unchanged.
func (w *writer) encode(p *packet, scratch []byte, m *Message, z *deflater) error {
	if err := checkMessage(m); err != nil {
		return err
	}
	first, payload := bitFin|byte(m.Kind), m.Data
	var owned *lease
	if w.deflates(m) {
		var err error
		if m.isPrepared() {
			payload, err = m.extra.prepared.deflated(w.cfg.Deflate, w.cfg.Extension.sendBits(w.cfg.Client), m.Data)
		} else {
			payload, owned, err = w.compress(z, m.Data)
		}
		if err != nil {
			return err
		}
		first |= bitRSV1
	}
	if len(payload) >= bodyMin {
		w.encodeLarge(p, scratch, first, payload, owned)
		return nil
	}
	p.scratch, p.body, p.owned = w.appendFrame(scratch, first, payload), nil, nil
	if owned != nil {
		owned.release()
	}
	return nil
}

// encodeLarge is encode for a payload that is not copied to scratch. If owned is not nil, the payload lies in it.
func (w *writer) encodeLarge(p *packet, scratch []byte, first byte, payload []byte, owned *lease) {
	if !w.cfg.Client {
		p.scratch, p.body, p.owned = appendHeader(scratch, first, len(payload), false, 0), payload, owned
		return
	}
	key := newKey()
	masked := newLease(len(payload))
	copy(masked.bytes, payload)
	xor(masked.bytes[:len(payload)], key)
	if owned != nil {
		owned.release()
	}
	p.owned = masked
	p.scratch, p.body = appendHeader(scratch, first, len(payload), true, key), masked.bytes[:len(payload)]
}

// appendFrame appends a frame with its payload, masked if this side is the client.
func (w *writer) appendFrame(dst []byte, first byte, payload []byte) []byte {
	if !w.cfg.Client {
		return append(appendHeader(dst, first, len(payload), false, 0), payload...)
	}
	key := newKey()
	dst = appendHeader(dst, first, len(payload), true, key)
	start := len(dst)
	dst = append(dst, payload...)
	xor(dst[start:], key)
	return dst
}

// send is the hook of Out.
func (w *writer) send(ctx context.Context, m Message) error {
	if w.remembers() {
		return w.sendRemembered(ctx, m)
	}
	var p packet
	if err := w.encode(&p, w.low.Begin(), &m, nil); err != nil {
		return err
	}
	defer p.release()
	if ok, err := w.gate.tryEnter(wholeMessage); err != nil {
		return w.refusal()
	} else if !ok {
		if err := w.gate.enter(ctx, wholeMessage); err != nil {
			return w.sendError(err)
		}
	}
	defer w.gate.leave(wholeMessage)
	return w.handOver(ctx, p.scratch, p.body)
}

// handOver hands bytes to the sink below. A Close of Out makes it return while it waits for room.
func (w *writer) handOver(ctx context.Context, scratch, body []byte) error {
	if len(body) == 0 {
		if ok, err := w.low.TryEnd(scratch, nil); ok || err != nil {
			return err
		}
	}
	return w.handOverInTime(ctx, scratch, body)
}

// handOverInTime is the part of handOver that may wait.
//
//go:noinline
func (w *writer) handOverInTime(ctx context.Context, scratch, body []byte) error {
	waiting := &untilEnd{Context: ctx, end: &w.end}
	defer waiting.release()
	err := w.low.End(waiting, scratch, body)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return w.refusal()
	}
	return err
}

// trySend is the hook of Out.
func (w *writer) trySend(m Message) (bool, error) {
	if w.remembers() {
		return w.trySendRemembered(m)
	}
	var p packet
	if err := w.encode(&p, w.low.Begin(), &m, nil); err != nil {
		return false, err
	}
	defer p.release()
	ok, err := w.tryPacket(&p)
	if !ok && err == nil {
		_, _ = w.low.TryEnd(p.scratch[:0], nil) // takes the scratch back
	}
	return ok, err
}

// tryPacket sends p if there is room and no other message excludes it.
func (w *writer) tryPacket(p *packet) (bool, error) {
	if ok, err := w.gate.tryEnter(wholeMessage); err != nil {
		return false, w.refusal()
	} else if !ok {
		return false, nil
	}
	defer w.gate.leave(wholeMessage)
	return w.low.TryEnd(p.scratch, p.body)
}

// backlog tells how far the peer is behind.
type backlog struct {
	full  bool  // there is no room for more, or a frame waits for it
	taken int64 // grows while the peer takes what was sent, if the connection below can tell
}

func (w *writer) backlog() (b backlog) {
	room, err := w.low.TryEnd(nil, nil)
	_, writing, _ := w.gate.entries()
	b.full = writing || !room && err == nil
	if w.end.Progress != nil {
		b.taken = w.end.Progress()
	}
	return b
}

// sendAll is the hook of Out. Small messages are handed over many at a time. One that is rejected is reported when those
// before it have been accepted.
func (w *writer) sendAll(ctx context.Context, ms []Message) (n int, err error) {
	if w.remembers() {
		return w.sendAllRemembered(ctx, ms)
	}
	if err := w.gate.enter(ctx, wholeMessage); err != nil {
		return 0, w.sendError(err)
	}
	defer w.gate.leave(wholeMessage)
	var p packet
	for n < len(ms) && err == nil {
		count, refused := w.gather(&p, ms[n:])
		if count > 0 {
			err = w.handOver(ctx, p.scratch, p.body)
			p.release()
		}
		if err == nil {
			n, err = n+count, refused
		}
	}
	return n, err
}

// gather sets p to several messages that are sent together, up to the first large one. It returns their number, and the
// error of the message after them if that was rejected.
func (w *writer) gather(p *packet, ms []Message) (n int, refused error) {
	*p = packet{scratch: w.low.Begin()}
	for n < len(ms) && len(p.scratch) < batchMax && p.body == nil {
		if refused = w.encode(p, p.scratch, &ms[n], nil); refused != nil {
			break
		}
		n++
	}
	return n, refused
}

// sendError returns what a sender gets for an error of the gate.
func (w *writer) sendError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return w.refusal()
	}
	return err
}

// refusal returns the error of a send after the Close frame.
func (w *writer) refusal() error {
	if err := w.end.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}
