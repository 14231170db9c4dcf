package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"
)

// ErrMessage is the error of a message that must not be sent: of an unknown kind, or text that is not UTF-8.
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

// encode appends m as one frame to scratch. A large payload is left in body.
func (c *Conn) encode(scratch []byte, m *Message, z *deflater) (p packet, err error) {
	if err := checkMessage(m); err != nil {
		return p, err
	}
	first, payload := bitFin|byte(m.Kind), m.Data
	if c.deflates(m) {
		if m.isPrepared() {
			payload, err = m.extra.prepared.deflated(c.cfg.Deflate, c.cfg.Extension.sendBits(c.cfg.Client), m.Data)
		} else {
			payload, p.owned, err = c.compress(z, m.Data)
		}
		if err != nil {
			return p, err
		}
		first |= bitRSV1
	}
	switch {
	case len(payload) < bodyMin:
		p.scratch = c.appendFrame(scratch, first, payload)
		p.release()
		p.owned = nil
	case !c.cfg.Client:
		p.scratch, p.body = appendHeader(scratch, first, len(payload), false, 0), payload
	default:
		key := newKey()
		masked := newLease(len(payload))
		copy(masked.bytes, payload)
		xor(masked.bytes[:len(payload)], key, 0)
		p.release()
		p.owned = masked
		p.scratch, p.body = appendHeader(scratch, first, len(payload), true, key), masked.bytes[:len(payload)]
	}
	return p, nil
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
	p, err := c.encode(c.low.Begin(), &m, nil)
	if err != nil {
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
	return c.low.End(ctx, p.scratch, p.body)
}

// trySend is the hook of Out.
func (c *Conn) trySend(m Message) (bool, error) {
	if c.remembers() {
		return c.trySendRemembered(m)
	}
	p, err := c.encode(c.low.Begin(), &m, nil)
	if err != nil {
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

// sendAll is the hook of Out. Small messages are handed over many at a time.
func (c *Conn) sendAll(ctx context.Context, ms []Message) (n int, err error) {
	if c.remembers() {
		for n, m := range ms {
			if err := c.sendRemembered(ctx, m); err != nil {
				return n, err
			}
		}
		return len(ms), nil
	}
	if err := c.gate.enter(ctx, wholeMessage); err != nil {
		return 0, c.sendError(err)
	}
	defer c.gate.leave(wholeMessage)
	for n < len(ms) {
		count, err := c.sendSome(ctx, ms[n:])
		if n += count; err != nil {
			return n, err
		}
	}
	return n, nil
}

// sendSome hands over messages up to the first large one. One that is refused is reported when those before it have been
// accepted.
func (c *Conn) sendSome(ctx context.Context, ms []Message) (n int, err error) {
	scratch := c.low.Begin()
	var p packet
	var refused error
	for n < len(ms) && len(scratch) < batchMax && p.body == nil {
		next, err := c.encode(scratch, &ms[n], nil)
		if err != nil {
			refused = err
			break
		}
		p, scratch = next, next.scratch
		n++
	}
	defer p.release()
	if n > 0 {
		if err := c.low.End(ctx, scratch, p.body); err != nil {
			return 0, err
		}
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
