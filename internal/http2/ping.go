package http2

import (
	"context"

	frames "golang.org/x/net/http2"

	"github.com/weir-go/weir/internal/deadline"
)

// Payloads of pings.
var (
	probe   = [8]byte{'w', 'e', 'i', 'r', ' ', 'l', 'i', 'v'} // sent because of silence
	goodbye = [8]byte{'w', 'e', 'i', 'r', ' ', 'b', 'y', 'e'} // sent between the steps of a shutdown
)

// pings are the pings that wait for an answer.
type pings struct {
	next    uint64
	waiting map[[8]byte]chan struct{} // closed when the answer comes
}

// failLocked wakes all goroutines that wait for an answer.
func (p *pings) failLocked() {
	for key, answered := range p.waiting {
		close(answered)
		delete(p.waiting, key)
	}
}

// Ping returns nil after a round trip to the peer, or the reason why there was none.
func (c *Conn) Ping(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	p := &c.pings
	p.next++
	key := [8]byte{'p'}
	for i := range 7 {
		key[7-i] = byte(p.next >> (8 * i))
	}
	if p.waiting == nil {
		p.waiting = make(map[[8]byte]chan struct{})
	}
	answered := make(chan struct{})
	p.waiting[key] = answered
	defer delete(p.waiting, key)
	c.send.out = appendPing(c.send.outLocked(), 0, key)
	c.send.pushLocked()
	c.mu.Unlock()
	var err error
	select {
	case <-answered:
	case <-ctx.Done():
		err = deadline.Cause(ctx)
	}
	c.mu.Lock()
	if err == nil {
		err = c.err
	}
	return err
}

// onPing answers a ping, or takes an answer.
func (rc *receiver) onPing(f *frames.PingFrame) error {
	c := rc.c
	c.mu.Lock()
	if !f.IsAck() {
		defer c.mu.Unlock()
		return c.send.acknowledgeLocked(appendPing(c.send.outLocked(), frames.FlagPingAck, f.Data))
	}
	answered := c.pings.waiting[f.Data]
	if answered == nil {
		err := c.noiseLocked("answers to pings") // including those to probe and goodbye
		c.mu.Unlock()
		if f.Data == goodbye {
			c.leaveNow()
		}
		return err
	}
	close(answered)
	delete(c.pings.waiting, f.Data)
	c.mu.Unlock()
	return nil
}
