package websocket

import (
	"context"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/line"
)

// gate orders the senders. Senders of whole messages may enter together. A message in parts, and one of a compressor
// with context takeover, excludes other messages. Control frames may enter between the frames of any message. After the
// Close frame nobody may enter.
type gate struct {
	mu      sync.Mutex
	writing int32  // calls that write now: messages, parts, control frames
	whole   int32  // of these, messages
	waiting int32  // messages that wait
	due     int32  // of these, those that waited when the last message that was alone left: they go before the next one
	entered uint32 // how often; may wrap around
	alone   bool   // a message excludes others
	parts   bool   // it is one in parts
	shut    bool   // the Close frame is being sent, or was
	moved   chan struct{}
	line    line.Line // who waits to be alone: no other message enters before, unless it is due
}

type pass int

const (
	wholeMessage pass = iota // a message in one frame
	aloneMessage             // one that excludes other messages, until leave
	partsMessage             // the same, in parts
	control                  // a control frame, or a frame of a message that is alone
	closing                  // the Close frame; nobody enters behind it
	cutting                  // that of an abort, or to a peer that broke a rule: it may come between two frames of a message
)

// tryEnter enters if that needs no wait. After the Close frame it returns net.ErrClosed.
func (g *gate) tryEnter(p pass) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.enterLocked(p, false)
}

func (g *gate) enterLocked(p pass, waited bool) (bool, error) {
	switch {
	case g.shut && p >= closing && g.writing > 0:
		return false, nil // the Close frame is on its way: who wants to send it waits until it has left
	case g.shut:
		return false, net.ErrClosed
	}
	switch p {
	case wholeMessage:
		due := waited && g.due > 0
		if g.alone || g.line.Len() > 0 && !due {
			return false, nil
		}
		if due {
			g.due--
		}
		g.whole++
	case aloneMessage, partsMessage:
		if g.alone || g.whole+g.due > 0 || g.line.Len() > 0 && !waited {
			return false, nil
		}
		g.alone, g.parts = true, p == partsMessage
		g.entered++
		return true, nil
	case closing:
		if g.alone || g.writing > 0 {
			return false, nil
		}
		g.shut = true
	case cutting:
		if g.writing > 0 {
			return false, nil
		}
		g.shut = true
	}
	g.writing++
	g.entered++
	return true, nil
}

// entries returns the number of entries so far, whether a call writes now, and whether a message excludes others. One in
// parts does so while nothing is written, too.
func (g *gate) entries() (n uint32, writing, alone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.entered, g.writing > 0, g.alone
}

// enter waits until it may enter, or ctx ends.
func (g *gate) enter(ctx context.Context, p pass) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch p {
	case wholeMessage:
		g.waiting++
		defer g.waitedLocked()
	case aloneMessage, partsMessage:
		if err := g.line.Enter(ctx, &g.mu, chanio.Cause); err != nil {
			return err
		}
		defer g.leaveLineLocked()
	}
	for waited := p != wholeMessage; ; waited = true {
		if ok, err := g.enterLocked(p, waited); ok || err != nil {
			return err
		}
		if err := g.waitLocked(ctx); err != nil {
			g.changedLocked() // another may be due in its place
			return err
		}
	}
}

// waitLocked waits, unlocked, until something changes, or ctx ends.
func (g *gate) waitLocked(ctx context.Context) error {
	if g.moved == nil {
		g.moved = make(chan struct{})
	}
	moved := g.moved
	g.mu.Unlock()
	defer g.mu.Lock() // also if ctx panics
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// waitedLocked is called when a message does not wait any more.
func (g *gate) waitedLocked() {
	g.waiting--
	if g.due = min(g.due, g.waiting); g.due == 0 {
		g.changedLocked()
	}
}

// leaveLineLocked is called when one has entered to be alone, or does not want that any more.
func (g *gate) leaveLineLocked() {
	if g.line.Leave(); g.line.Len() == 0 {
		g.changedLocked()
	}
}

// leave undoes an enter. It reports whether nobody may enter any more.
func (g *gate) leave(p pass) (shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch p {
	case wholeMessage:
		g.whole--
		g.writing--
	case aloneMessage, partsMessage:
		g.alone, g.parts, g.due = false, false, g.waiting
	default:
		g.writing--
	}
	g.changedLocked()
	return g.shut
}

// mayBeCut reports whether the Close frame of an abort may go once the senders inside have left, and they do so soon:
// none is sending a message in parts, which ends with the connection.
func (g *gate) mayBeCut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.shut && !g.parts
}

// cut rejects all senders, including those that wait, because nothing can be sent any more.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	g.changedLocked()
}

func (g *gate) changedLocked() {
	if g.moved != nil {
		close(g.moved)
		g.moved = nil
	}
}
