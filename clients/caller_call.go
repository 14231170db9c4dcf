package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
)

// Call sends w and returns the reply. It blocks while MaxOutstanding requests are unanswered, while the connection has
// no room, and until the reply arrives. Requests are sent in the order in which calls get their turn.
//
// If ctx ends first, Call returns its cause. If the request had not been sent, it never will be, and the error also
// matches ErrNotSent. If it had been sent, its reply is dropped when it arrives within CallerConfig.Lost, and no other
// call is affected. A send error that concerns only w, such as one of a codec, leaves the Caller usable.
func (cl *Caller[R, W]) Call(ctx context.Context, w W) (none R, err error) {
	c := &request[R]{reply: make(chan callReply[R], 1)}
	if err := cl.take(ctx, cl.slots); err != nil {
		return none, err
	}
	if err := cl.send(ctx, c, w); err != nil {
		return none, err
	}
	select {
	case r := <-c.reply:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-c.reply: // it arrived at the same time
		return r.value, r.err
	default:
		cl.abandon(c)
		return none, sent(chanio.Cause(ctx))
	}
}

// take puts a token into ch, unless the Caller or ctx ends first.
func (cl *Caller[R, W]) take(ctx context.Context, ch chan struct{}) error {
	if deadline.Ended(cl.closing) || deadline.Ended(cl.done) {
		return cl.notSent(cl.refusal())
	}
	if ctx.Err() != nil {
		return cl.notSent(chanio.Cause(ctx))
	}
	select {
	case ch <- struct{}{}:
		return nil
	case <-cl.closing:
		return cl.notSent(cl.refusal())
	case <-cl.done:
		return cl.notSent(cl.refusal())
	case <-ctx.Done():
		return cl.notSent(chanio.Cause(ctx))
	}
}

// refusal returns the error of a call after the end.
func (cl *Caller[R, W]) refusal() error {
	if err := cl.Err(); err != nil {
		return err
	}
	return net.ErrClosed
}

func (cl *Caller[R, W]) notSent(err error) error {
	return fmt.Errorf("clients: Caller: %w: %w", ErrNotSent, err)
}

// sent returns err for a request that may have been sent. It does not match ErrNotSent, even if err is the error of
// another request that was not sent.
func sent(err error) error {
	if errors.Is(err, ErrNotSent) {
		return &sentError{err}
	}
	return err
}

// sentError matches what the error in it matches, except ErrNotSent.
type sentError struct{ of error }

func (e *sentError) Error() string { return e.of.Error() }

func (e *sentError) Is(target error) bool { return target != ErrNotSent && errors.Is(e.of, target) }

func (e *sentError) As(target any) bool { return errors.As(e.of, target) }

// send sends w for c, which has a slot; if w is not sent, send frees the slot. While other calls wait for their turn
// the sink is corked, so that their requests leave together.
func (cl *Caller[R, W]) send(ctx context.Context, c *request[R], w W) error {
	defer cl.d.Out.Cork()()
	if err := cl.take(ctx, cl.turn); err != nil {
		cl.free()
		return err
	}
	defer func() { <-cl.turn }()
	if err := cl.register(c); err != nil {
		cl.free()
		return err
	}
	sent := false
	defer func() {
		if !sent && cl.withdraw(c) {
			cl.free()
		}
	}()
	if cl.tags != nil {
		w = cl.tags.Tag(w, c.id)
	}
	if err := cl.d.Out.Send(ctx, w); err != nil {
		if deadline.Ended(cl.d.Out.Done()) {
			// The peer may be silent, and then In does not report the failure. err may be the cause of ctx.
			cl.fail(cmp.Or(cl.d.Out.Err(), net.ErrClosed))
		}
		return cl.notSent(err)
	}
	sent = true
	return nil
}

// register makes c outstanding. The caller has the turn.
func (cl *Caller[R, W]) register(c *request[R]) error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.err != nil {
		return cl.notSent(cl.err)
	}
	c.heard = cl.heard.Load()
	if cl.tags == nil {
		cl.queue = append(cl.queue, c)
		return nil
	}
	for used := true; used; used = cl.isUsed(cl.last) {
		if cl.last++; cl.last > cl.tags.Max || cl.last == 0 {
			cl.last = 1
		}
	}
	c.id = cl.last
	cl.calls[c.id] = c
	return nil
}

// isUsed reports whether a reply with this number may still arrive. The caller holds mu.
func (cl *Caller[R, W]) isUsed(id uint64) bool {
	_, outstanding := cl.calls[id]
	_, lost := cl.lost[id]
	return outstanding || lost
}

// withdraw undoes register, and reports whether c was still outstanding: a stray reply may have been matched to it. The
// caller still has the turn, so if replies come in order, c is the last one.
func (cl *Caller[R, W]) withdraw(c *request[R]) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.tags != nil {
		_, there := cl.calls[c.id]
		delete(cl.calls, c.id)
		return there
	}
	last := len(cl.queue) - 1
	if last < 0 || cl.queue[last] != c {
		return false
	}
	cl.queue = cl.queue[:last]
	return true
}
