package clients

import (
	"context"
	"fmt"
	"net"
)

// Call sends w and returns the reply. It blocks while MaxOutstanding requests are without one, while the connection
// takes no more, and until the reply is there. Requests are sent in the order in which calls get their turn.
//
// If ctx ends first Call returns its cause. If the request had not been sent by then it never is, and the error is
// ErrNotSent too; otherwise its reply is dropped when it comes, and no other call is affected. An error of sending that
// concerns only w, of a codec for instance, leaves the Mux as it was.
func (m *Mux[R, W]) Call(ctx context.Context, w W) (none R, err error) {
	c := &muxCall[R]{reply: make(chan muxReply[R], 1)}
	if err := m.take(ctx, m.slots); err != nil {
		return none, err
	}
	if err := m.send(ctx, c, w); err != nil {
		return none, err
	}
	select {
	case r := <-c.reply:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-c.reply: // it came at the same time
		return r.value, r.err
	default:
		return none, context.Cause(ctx)
	}
}

// take puts a token into ch, unless the Mux or ctx ends first.
func (m *Mux[R, W]) take(ctx context.Context, ch chan struct{}) error {
	if isClosed(m.closing) || isClosed(m.done) {
		return m.notSent(m.refusal())
	}
	if ctx.Err() != nil {
		return m.notSent(context.Cause(ctx))
	}
	select {
	case ch <- struct{}{}:
		return nil
	case <-m.closing:
		return m.notSent(m.refusal())
	case <-m.done:
		return m.notSent(m.refusal())
	case <-ctx.Done():
		return m.notSent(context.Cause(ctx))
	}
}

// refusal is what a call is told that comes too late.
func (m *Mux[R, W]) refusal() error {
	if err := m.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func (m *Mux[R, W]) notSent(err error) error {
	return fmt.Errorf("clients: Mux: %w: %w", ErrNotSent, err)
}

// send sends w for c, which has a slot and, if it is not sent, gives that back. While calls wait for their turn the
// sink is corked, so that what they send leaves together.
func (m *Mux[R, W]) send(ctx context.Context, c *muxCall[R], w W) error {
	defer m.d.Out.Cork()()
	if err := m.take(ctx, m.turn); err != nil {
		<-m.slots
		return err
	}
	defer func() { <-m.turn }()
	if err := m.register(c); err != nil {
		<-m.slots
		return err
	}
	sent := false
	defer func() {
		if !sent && m.withdraw(c) {
			<-m.slots
		}
	}()
	if m.tags != nil {
		w = m.tags.Tag(w, c.id)
	}
	if err := m.d.Out.Send(ctx, w); err != nil {
		return m.notSent(err)
	}
	sent = true
	return nil
}

// register makes c outstanding. The caller has the turn.
func (m *Mux[R, W]) register(c *muxCall[R]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.notSent(m.err)
	}
	if m.tags == nil {
		m.queue = append(m.queue, c)
		return nil
	}
	for used := true; used; _, used = m.calls[m.last] {
		if m.last++; m.last > m.tags.Max || m.last == 0 {
			m.last = 1
		}
	}
	c.id = m.last
	m.calls[c.id] = c
	return nil
}

// withdraw undoes register, and reports whether c was still outstanding: a stray reply may have been taken for its own.
// The caller still has the turn, so in order c is the last one.
func (m *Mux[R, W]) withdraw(c *muxCall[R]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tags != nil {
		_, there := m.calls[c.id]
		delete(m.calls, c.id)
		return there
	}
	last := len(m.queue) - 1
	if last < 0 || m.queue[last] != c {
		return false
	}
	m.queue = m.queue[:last]
	return true
}
