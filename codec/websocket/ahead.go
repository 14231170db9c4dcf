package websocket

import (
	"context"
	"time"

	"github.com/weir-go/weir/chanio"
)

const (
	aheadBytes    = 64 << 10 // of messages that are read while nobody receives
	aheadMessages = 16
)

// readsAheadLocked reports whether messages may be read while nobody receives.
func (c *Conn) readsAheadLocked() bool { return !c.full && !c.bye.hasHeard() && !c.inOver && !c.ended }

// startAheadLocked starts a goroutine that reads ahead, if no other reads and the queue has room.
func (c *Conn) startAheadLocked() {
	if !c.readsAheadLocked() {
		return
	}
	if ctx, ok := c.who.beginBackendLocked(); ok {
		go c.readAhead(ctx) // the next receiver waits for it
	}
}

// readAhead reads messages into the queue until a receiver takes over or the queue is full.
func (c *Conn) readAhead(ctx context.Context) {
	r := &c.rd
	wanted := r.wanted
	if wanted == asPieces {
		r.wanted = asOwned
	}
	defer func() {
		r.budget, r.wanted = unbounded, wanted
		c.endBackend()
	}()
	for {
		if r.budget = r.aheadBudget(); r.budget == 0 {
			break
		}
		m, err := c.guardedMessage(ctx)
		if err == errNoBudget {
			break
		}
		if err != nil {
			return
		}
		r.queue = append(r.queue, m)
	}
	c.mu.Lock()
	c.full = true
	c.mu.Unlock()
}

// guardedMessage reads a message in a goroutine of the Conn. A panic in a reader of the user ends the connection.
func (c *Conn) guardedMessage(ctx context.Context) (m Message, err error) {
	returned := false
	defer func() {
		if !returned {
			crash := chanio.Recovered(recover())
			if err = c.rd.err; err == nil {
				err = c.rd.judge(ctx, &CloseError{Code: InternalError, Local: true, Err: crash})
			}
		}
	}()
	m, err = c.rd.message(ctx, true)
	returned = true
	return m, err
}

// guard runs f in a goroutine of the Conn. A panic of a writer below that is the user's ends the connection.
func (c *Conn) guard(f func()) {
	returned := false
	defer func() {
		if !returned {
			crash := &CloseError{Code: InternalError, Local: true, Err: chanio.Recovered(recover())}
			c.w.end.Set(crash)
			c.inEnd.Set(crash)
			c.conn.Abort(crash)
		}
	}()
	f()
	returned = true
}

// aheadBudget returns how many bytes may be read ahead.
func (r *reader) aheadBudget() int32 {
	if len(r.queue) >= aheadMessages {
		return 0
	}
	budget := aheadBytes - len(r.buf)
	for _, m := range r.queue {
		budget -= len(m.Data)
	}
	return int32(max(budget, 0))
}

func (c *Conn) endBackend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.who.endBackendLocked()
}

// dropMessages reads and drops messages after In was closed, once the one who reads has let go.
func (c *Conn) dropMessages() {
	c.mu.Lock()
	ctx, ok := c.who.beginBackendLocked()
	for ; !ok; ctx, ok = c.who.beginBackendLocked() {
		free := c.who.stopLocked()
		c.mu.Unlock()
		select {
		case <-free:
		case <-c.conn.Done():
			return
		}
		c.mu.Lock()
	}
	c.full = false // only readAhead sets it
	c.mu.Unlock()
	defer c.endBackend()
	if !c.merge {
		_ = c.conn.SetReadDeadline(time.Time{}) // of interrupt
	}
	for _, m := range c.rd.queue {
		m.release()
	}
	c.rd.queue = nil
	for {
		m, err := c.guardedMessage(ctx)
		if err != nil {
			return
		}
		m.release()
	}
}
