package servers

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
)

// patience is the least age of a handshake that may be ended to make room.
const patience = time.Second

var (
	errMadeRoom = errors.New("servers: the handshake made room for others: too many were under way")
	errSilent   = errors.New("servers: shutting down, and the peer has sent nothing")
)

// pending is a connection in its PROXY header or handshake, or one that waits to be received.
type pending struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	since  time.Time
	spoke  atomic.Bool // the peer has sent some of its header or, after that, of its hello
	below  atomic.Pointer[chanio.Conn]

	// Guarded by the mutex of the crowd.
	peer    netip.Prefix // zero if unknown
	quiet   time.Time    // when it was accepted or, behind a balancer, when its header had arrived
	begun   bool         // its header has arrived
	settled bool         // it waits to be received
	silence *time.Timer  // ends it during a shutdown, or nil
}

// heard reports whether the peer has sent anything.
func (p *pending) heard() bool {
	below := p.below.Load()
	return p.spoke.Load() || below != nil && below.Stats().BytesIn > 0
}

// listening wraps nc to record when something is read.
func (p *pending) listening(nc net.Conn) net.Conn { return &listeningConn{nc, p} }

type listeningConn struct {
	net.Conn
	p *pending
}

func (c *listeningConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.p.spoke.Store(true)
	}
	return n, err
}

// crowd is the set of pending connections.
type crowd struct {
	most      int // negative: no limit
	firstByte time.Duration
	freed     chan struct{} // receives a token when one may have left

	mu       sync.Mutex
	all      []*pending // in order of arrival
	draining bool
}

// makeRoom waits until there is room for one more. If that takes too long, it ends the handshake that look selects.
func (c *crowd) makeRoom(ctx context.Context) error {
	for {
		select {
		case <-c.freed: // one left before the call of look
		default:
		}
		full, victim := c.look()
		if !full {
			return nil
		}
		var due <-chan time.Time
		if victim != nil {
			due = time.After(time.Until(victim.since.Add(patience)))
		}
		select {
		case <-c.freed:
		case <-due:
			victim.cancel(errMadeRoom)
			due = nil
			select {
			case <-c.freed:
			case <-ctx.Done():
				return chanio.Cause(ctx)
			}
		case <-ctx.Done():
			return chanio.Cause(ctx)
		}
	}
}

// look reports whether the crowd is full, and which handshake to end to make room: the oldest of the peer with the
// most. Connections that wait to be received are never ended.
func (c *crowd) look() (full bool, victim *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most < 0 || len(c.all) < c.most {
		return false, nil
	}
	of := map[netip.Prefix]int{}
	for _, p := range c.all {
		if !p.settled {
			of[p.peer]++
		}
	}
	for _, p := range c.all {
		if !p.settled && p.ctx.Err() == nil && (victim == nil || of[p.peer] > of[victim.peer]) {
			victim = p
		}
	}
	return true, victim
}

// silent returns the oldest handshake whose peer has sent nothing, if any, and a channel that says when it may be ended,
// or when to ask again: a peer that has spoken may be a balancer, whose client is silent after the header.
func (c *crowd) silent() (*pending, <-chan time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var again <-chan time.Time
	for _, p := range c.all {
		switch {
		case p.settled || p.ctx.Err() != nil:
		case !p.heard():
			return p, time.After(time.Until(p.quiet.Add(patience)))
		case !p.begun && again == nil:
			again = time.After(patience)
		}
	}
	return nil, again
}

// isSilent reports whether the peer of p, which may be nil, has sent nothing for long enough to be ended.
func (c *crowd) isSilent(p *pending) bool {
	if p == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !p.heard() && time.Since(p.quiet) >= patience
}

// enter adds a pending connection.
func (c *crowd) enter(ctx context.Context, addr net.Addr) *pending {
	now := time.Now()
	p := &pending{since: now, quiet: now, peer: peerOf(addr)}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, p)
	if c.draining {
		c.wait(p)
	}
	return p
}

// introduced records that the balancer of p has sent its header, which names the client at addr. Accept may end p when the
// client itself is silent for long, but a shutdown waits for it as for the rest of a handshake.
func (c *crowd) introduced(p *pending, addr net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.peer, p.quiet, p.begun = peerOf(addr), time.Now(), true
	p.spoke.Store(false)
}

// settle records that the handshake of p is over.
func (c *crowd) settle(p *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.settled = true
}

func (c *crowd) leave(p *pending) {
	c.mu.Lock()
	for i, q := range c.all {
		if p == q {
			c.all = append(c.all[:i], c.all[i+1:]...)
			break
		}
	}
	if p.silence != nil {
		p.silence.Stop()
	}
	c.mu.Unlock()
	p.cancel(nil)
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// drain ends silent connections when their FirstByte has passed. The others keep their timeouts.
func (c *crowd) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return
	}
	c.draining = true
	for _, p := range c.all {
		c.wait(p)
	}
}

// wait ends p after its FirstByte if it has sent nothing by then. The caller holds mu.
func (c *crowd) wait(p *pending) {
	if p.settled || p.begun {
		return
	}
	p.silence = time.AfterFunc(firstByteWait(c.firstByte, p.since), func() {
		c.mu.Lock()
		silent := !p.begun && !p.heard()
		c.mu.Unlock()
		if silent {
			p.cancel(errSilent)
		}
	})
}

// count returns the number of handshakes in progress.
func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}
