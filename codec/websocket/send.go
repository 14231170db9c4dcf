package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"
)

// ErrMessage is the error of sending an invalid message: one of unknown kind, or text that is not UTF-8.
var ErrMessage = errors.New("websocket: invalid message")

const (
	batchMax = 16 << 10 // bytes of small messages that are handed over at once
	bodyMin  = 16 << 10 // the smallest payload that is written from where it is
)

// checkMessage refuses what must not be sent.
func checkMessage(m *Message) error {
	switch {
	case m.Kind != TextMessage && m.Kind != BinaryMessage:
		return fmt.Errorf("%w: %v", ErrMessage, m.Kind)
	case m.Kind == TextMessage && !m.isPrepared() && !utf8.Valid(m.Data):
		return fmt.Errorf("%w: text is not UTF-8", ErrMessage)
	}
	return nil
}

// packet is one message as it is handed to the sink: scratch, then body, which may lie in a buffer that is to be returned.
type packet struct {
	scratch, body []byte
	owned         *lease
}

func (p *packet) release() {
	if p.owned != nil {
		p.owned.release()
	}
}

// encode appends m as one frame to scratch, and sets p to the result. A large payload is left in body. If m is refused, p stays
// as it was.
func (c *Conn) encode(p *packet, scratch []byte, m *Message, z *deflater) error {
	if err := checkMessage(m); err != nil {
		return err
	}
	first, payload := bitFin|byte(m.Kind), m.Data
	var owned *lease
	if c.deflates(m) {
		var err error
		if m.isPrepared() {
			payload, err = m.extra.prepared.deflated(c.cfg.Deflate, c.cfg.Extension.sendBits(c.cfg.Client), m.Data)
		} else {
			payload, owned, err = c.compress(z, m.Data)
		}
		if err != nil {
			return err
		}
		first |= bitRSV1
	}
	if len(payload) >= bodyMin {
		c.encodeLarge(p, scratch, first, payload, owned)
		return nil
	}
	p.scratch, p.body, p.owned = c.appendFrame(scratch, first, payload), nil, nil
	if owned != nil {
		owned.release()
	}
	return nil
}

// encodeLarge is encode for a payload that is not copied to scratch. It may lie in owned.
func (c *Conn) encodeLarge(p *packet, scratch []byte, first byte, payload []byte, owned *lease) {
	if !c.cfg.Client {
		p.scratch, p.body, p.owned = appendHeader(scratch, first, len(payload), false, 0), payload, owned
		return
	}
	key := newKey()
	masked := newLease(len(payload))
	copy(masked.bytes, payload)
	xor(masked.bytes[:len(payload)], key, 0)
	if owned != nil {
		owned.release()
	}
	p.owned = masked
	p.scratch, p.body = appendHeader(scratch, first, len(payload), true, key), masked.bytes[:len(payload)]
}

// appendFrame appends a frame with its payload, masked if this side is the client.
func (c *Conn) appendFrame(dst []byte, first byte, payload []byte) []byte {
	if !c.cfg.Client {
		return append(appendHeader(dst, first, len(payload), false, 0), payload...)
	}
	key := newKey()
	dst = appendHeader(dst, first, len(payload), true, key)
	start := len(dst)
	dst = append(dst, payload...)
	xor(dst[start:], key, 0)
	return dst
}

// send is the hook of Out.
func (c *Conn) send(ctx context.Context, m Message) error {
	if c.remembers() {
		return c.sendRemembered(ctx, m)
	}
	var p packet
	if err := c.encode(&p, c.low.Begin(), &m, nil); err != nil {
		return err
	}
	defer p.release()
	if ok, err := c.gate.tryEnter(wholeMessage); err != nil {
		return c.refusal()
	} else if !ok {
		if err := c.gate.enter(ctx, wholeMessage); err != nil {
			return c.sendError(err)
		}
	}
	defer c.gate.leave(wholeMessage)
	return c.handOver(ctx, p.scratch, p.body)
}

// handOver hands bytes to the sink below. A Close of Out makes it return while it waits for room.
func (c *Conn) handOver(ctx context.Context, scratch, body []byte) error {
	if len(body) == 0 {
		if ok, err := c.low.TryEnd(scratch, nil); ok || err != nil {
			return err
		}
	}
	return c.handOverInTime(ctx, scratch, body)
}

// handOverInTime is the part of handOver that waits.
//
//go:noinline
func (c *Conn) handOverInTime(ctx context.Context, scratch, body []byte) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.out.OnDone(cancel)()
	err := c.low.End(waiting, scratch, body)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return c.refusal()
	}
	return err
}

// trySend is the hook of Out.
func (c *Conn) trySend(m Message) (bool, error) {
	if c.remembers() {
		return c.trySendRemembered(m)
	}
	var p packet
	if err := c.encode(&p, c.low.Begin(), &m, nil); err != nil {
		return false, err
	}
	defer p.release()
	if ok, err := c.gate.tryEnter(wholeMessage); err != nil {
		return false, c.refusal()
	} else if !ok {
		return false, nil
	}
	defer c.gate.leave(wholeMessage)
	return c.low.TryEnd(p.scratch, p.body)
}

// sendAll is the hook of Out. Small messages are handed over many at a time. One that is rejected is reported when those
// before it have been accepted.
func (c *Conn) sendAll(ctx context.Context, ms []Message) (n int, err error) {
	if c.remembers() {
		return c.sendAllRemembered(ctx, ms)
	}
	if err := c.gate.enter(ctx, wholeMessage); err != nil {
		return 0, c.sendError(err)
	}
	defer c.gate.leave(wholeMessage)
	var p packet
	for n < len(ms) && err == nil {
		count, refused := c.gather(&p, ms[n:])
		if count > 0 {
			err = c.handOver(ctx, p.scratch, p.body)
			p.release()
		}
		if err == nil {
			n, err = n+count, refused
		}
	}
	return n, err
}

// gather sets p to messages that are handed over at once, up to the first large one, and returns how many those are, and why
// the one behind them is rejected.
func (c *Conn) gather(p *packet, ms []Message) (n int, refused error) {
	*p = packet{scratch: c.low.Begin()}
	for n < len(ms) && len(p.scratch) < batchMax && p.body == nil {
		if refused = c.encode(p, p.scratch, &ms[n], nil); refused != nil {
			break
		}
		n++
	}
	return n, refused
}

// sendError is an error of the gate as a sender is told.
func (c *Conn) sendError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return c.refusal()
	}
	return err
}

// refusal is what a sender is told behind a Close frame.
func (c *Conn) refusal() error {
	if err := c.out.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}
