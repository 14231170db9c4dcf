package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// controlFrame handles a control frame with payload p; size is that of the whole frame. The error for a Close frame is
// the end of In.
func (r *reader) controlFrame(h *header, p []byte, size int) error {
	c := r.conn
	var buf [maxControl]byte
	payload := buf[:copy(buf[:], p)]
	r.src.Discard(size)
	xor(payload, h.key)
	switch h.op() {
	case OpPing:
		c.answer(payload)
	case OpPong:
		if s := c.signals.Load(); s != nil {
			s.pings.heard(payload)
		}
	case OpClose:
		return r.closeFrame(payload)
	}
	return nil
}

// closeFrame records the peer's Close frame and returns the end of In.
func (r *reader) closeFrame(p []byte) error {
	c := r.conn
	code, reason, err := parseClose(p)
	if err != nil {
		return err
	}
	end := &CloseError{Code: code, Reason: reason}
	c.mu.Lock()
	c.byeLocked().status = end
	c.mu.Unlock()
	if code.normal() {
		return io.EOF
	}
	return end
}

// appendControl appends a control frame.
func (w *writer) appendControl(dst []byte, op Opcode, payload []byte) []byte {
	return w.appendFrame(dst, bitFin|byte(op), payload)
}

// tryControl sends a control frame if there is room. It returns false only if there is none.
func (w *writer) tryControl(op Opcode, payload []byte) bool {
	ok, err := w.gate.tryEnter(control)
	if !ok {
		return err != nil
	}
	defer w.gate.leave(control)
	ok, err = w.low.TryEnd(w.appendControl(w.low.Begin(), op, payload), nil)
	return ok || err != nil
}

// signals is what few connections need for pings and pongs.
type signals struct {
	pongs pongs
	pings pings
}

// signaling returns the signals of c.
func (c *Conn) signaling() *signals {
	if s := c.signals.Load(); s != nil {
		return s
	}
	c.signals.CompareAndSwap(nil, new(signals))
	return c.signals.Load()
}

// pongs is the answer to the peer's latest ping, if there was no room for it.
type pongs struct {
	mu      sync.Mutex
	waiting *string // its payload
	busy    bool    // a goroutine waits for room
}

// answer answers a ping. If there is no room, one answer waits for it: the one to the latest ping. RFC 6455, 5.5.3.
func (c *Conn) answer(payload []byte) {
	if s := c.signals.Load(); (s == nil || !s.pongs.isBusy()) && c.w.tryControl(OpPong, payload) {
		return
	}
	q := &c.signaling().pongs
	waiting := string(payload)
	q.mu.Lock()
	q.waiting = &waiting
	busy := q.busy
	q.busy = true
	q.mu.Unlock()
	if !busy {
		go c.guard(func() { q.send(c) }) // ends with the connection at the latest
	}
}

func (q *pongs) isBusy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy
}

// send sends the pong that waits, as soon as there is room. An abort ends its waits.
func (q *pongs) send(c *Conn) {
	for {
		err := c.conn.Out.Flush(context.Background())
		q.mu.Lock()
		payload := q.waiting
		q.waiting = nil
		if payload == nil || err != nil {
			q.busy = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		_ = c.w.sendControl(context.Background(), OpPong, []byte(*payload)) // the next Flush has the error
	}
}

// pings are those that were sent and not answered.
type pings struct {
	mu      sync.Mutex
	last    uint64
	waiting []*awaited
}

type awaited struct {
	id       uint64
	sent     time.Time
	answered chan time.Duration // gets one value, or is closed
}

// Ping sends a ping, waits for its pong, even if nobody receives, and returns the round-trip time, which includes the
// wait for room among what is being sent. A pong behind more data than the read-ahead limit is not seen before somebody
// receives. Concurrent pings are distinguished. If ctx ends first, it returns Cause of ctx, and the connection stays
// usable; if the connection ends, it returns its error.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	pings := &c.signaling().pings
	a := pings.add()
	defer pings.remove(a)
	if err := c.w.sendControl(ctx, OpPing, pingPayload(a.id)); err != nil {
		return 0, c.w.sendError(err)
	}
	c.mu.Lock()
	c.startAheadLocked()
	c.mu.Unlock()
	select {
	case took, ok := <-a.answered:
		if !ok {
			return 0, c.why()
		}
		return took, nil
	case <-ctx.Done():
		return 0, chanio.Cause(ctx)
	}
}

// sendControl sends a control frame. It waits for room.
func (w *writer) sendControl(ctx context.Context, op Opcode, payload []byte) error {
	if err := w.gate.enter(ctx, control); err != nil {
		return err
	}
	defer w.gate.leave(control)
	return w.low.End(ctx, w.appendControl(w.low.Begin(), op, payload), nil)
}

func pingPayload(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func (p *pings) add() *awaited {
	a := &awaited{sent: time.Now(), answered: make(chan time.Duration, 1)}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	a.id = p.last
	p.waiting = append(p.waiting, a)
	return a
}

func (p *pings) remove(a *awaited) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(b *awaited) bool { return a == b })
}

// end ends the waits, because nobody reads ahead any more.
func (p *pings) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.waiting {
		close(a.answered)
	}
	p.waiting = nil
}

// heard handles a pong. It answers all pings up to the one with this payload, since a peer may answer only the last of
// several. Other pongs are ignored.
func (p *pings) heard(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	if id > p.last {
		return
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(a *awaited) bool {
		if a.id > id {
			return false
		}
		a.answered <- time.Since(a.sent)
		return true
	})
}

// String describes the connection: its role, addresses and negotiated features.
func (c *Conn) String() string {
	role := "server"
	if c.cfg.Client {
		role = "client"
	}
	return fmt.Sprintf("websocket %s %s -> %s subprotocol %q deflate %v", role, c.LocalAddr(), c.RemoteAddr(), c.cfg.Subprotocol, c.Compressed())
}
