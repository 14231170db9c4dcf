package websocket

import (
	"context"
	"slices"

	"github.com/weir-go/weir/chanio"
)

// A sink that uses up messages before the next is received, as Out does, needs none of its own: pipeline.Connect has them
// lent. Their memory is leased until the next hook of In is called. As owned messages, those of 64 KiB take twice the time
// of an echo, most of it in the garbage collector.

// lend is the hook of In.
func (c *Conn) lend(dst []Message) []Message { return c.take(dst, true) }

// unlend is the hook of In. The messages go back to the front of the queue, and the next receiver owns their memory.
func (c *Conn) unlend(ms []Message) {
	c.rd.lent = nil
	if c.beginReceive() {
		c.rd.queue = slices.Concat(ms, c.rd.queue)
		c.endReceive()
	}
}

// await is the hook of In. It leaves to next what is not a whole message in memory of its own, and to lend what has come.
func (c *Conn) await(ctx context.Context) (err error) {
	if !c.beginReceive() {
		return nil
	}
	defer c.endReceive()
	r := &c.rd
	switch {
	case c.merge || r.wanted != asOwned || r.at > collecting || c.skips.Load() || len(r.queue) > 0:
		return nil
	case ctx.Err() != nil:
		return chanio.Cause(ctx)
	case c.idle(): // as in next
		if err = r.src.Fill(ctx, maxHeader); err == nil {
			c.hear()
		}
	}
	return c.awaitRest(ctx, err)
}

// awaitRest reads a message that has begun into leased memory, and queues it. err is the error of the wait for its first
// byte.
//
//go:noinline
func (c *Conn) awaitRest(ctx context.Context, err error) error {
	r := &c.rd
	if err != nil {
		return c.receiveError(ctx, r.judge(ctx, err))
	}
	if r.hasFrame() {
		return nil
	}
	r.wanted = asLeased
	m, err := r.message(ctx, true)
	r.wanted = asOwned
	if err != nil {
		return c.receiveError(ctx, err)
	}
	r.queue = append(r.queue, m)
	return nil
}

// hasFrame reports whether a whole frame is at hand.
func (r *reader) hasFrame() bool {
	r.settle()
	p := r.src.Buffered()
	h, n, err := parseHeader(p)
	return r.left == noFrame && (err != nil || n > 0 && h.length <= int64(len(p)-n))
}

// cloner copies the data of messages.
type cloner interface{ Clone(p []byte) []byte }

// lender is a cloner for messages that are lent.
type lender reader

func (r *lender) Clone(p []byte) []byte {
	if len(p) <= smallFrame {
		return r.src.Clone(p)
	}
	l := newLease(len(p))
	(*reader)(r).lends(l)
	return l.bytes[:copy(l.bytes, p):len(p)]
}

// lends notes that a message in l is lent.
func (r *reader) lends(l *lease) { l.next, r.lent = r.lent, l }

// endLoans releases the memory of the messages that were lent.
func (r *reader) endLoans() {
	for l := r.lent; l != nil; l = r.lent {
		r.lent, l.next = l.next, nil
		l.release()
	}
}
