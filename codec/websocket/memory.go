package websocket

import (
	"context"
	"errors"
	"net"
)

// memory is what is kept from message to message if the peers have agreed on context takeover.
type memory struct {
	z      *deflater // of what is sent; made for the first message, and owned by the one that is alone in the gate
	window []byte    // the end of what was received; it belongs to the reader
}

// remembers reports whether messages that are sent may refer to those before.
func (c *Conn) remembers() bool {
	return c.cfg.Deflate != nil && !c.cfg.Extension.sendsFresh(c.cfg.Client)
}

// sendRemembered sends a message in the order in which the compressor sees it.
func (c *Conn) sendRemembered(ctx context.Context, m Message) error {
	if err := c.gate.enter(ctx, aloneMessage); err != nil {
		return c.sendError(err)
	}
	defer c.gate.leave(aloneMessage)
	_, err := c.compressAndSend(&m, func(p packet) (bool, error) { return true, c.handOver(ctx, p.scratch, p.body) })
	return err
}

// sendAllRemembered is sendAll for such a connection.
//
//go:noinline
func (c *Conn) sendAllRemembered(ctx context.Context, ms []Message) (n int, err error) {
	for n, m := range ms {
		if err := c.sendRemembered(ctx, m); err != nil {
			return n, err
		}
	}
	return len(ms), nil
}

func (c *Conn) trySendRemembered(m Message) (bool, error) {
	if ok, err := c.gate.tryEnter(aloneMessage); err != nil {
		return false, c.refusal()
	} else if !ok {
		return false, nil
	}
	defer c.gate.leave(aloneMessage)
	return c.compressAndSend(&m, func(p packet) (bool, error) { return c.low.TryEnd(p.scratch, p.body) })
}

// compressAndSend has end send m. The caller is alone in the gate. A message that is not sent is not referred to.
func (c *Conn) compressAndSend(m *Message, end func(packet) (bool, error)) (ok bool, err error) {
	deflates := c.deflates(m)
	if deflates && c.memory.z == nil && !m.isPrepared() {
		if c.memory.z, err = c.cfg.Deflate.newDeflater(c.cfg.Extension.sendBits(c.cfg.Client)); err != nil {
			return false, err
		}
	}
	z := c.memory.z
	var p packet
	if err := c.encode(&p, c.low.Begin(), m, z); err != nil {
		return false, err
	}
	defer p.release()
	if ok, err := c.gate.tryEnter(control); !ok {
		if errors.Is(err, net.ErrClosed) {
			err = c.refusal()
		}
		return false, err
	}
	defer c.gate.leave(control)
	ok, err = end(p)
	if z != nil && deflates {
		z.keep = ok && err == nil && !m.isPrepared()
	}
	return ok, err
}
