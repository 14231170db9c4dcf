package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

var (
	// ErrNotSent is in the error of a [Caller.Call] whose request has not been sent, nor ever will be: it may be repeated
	// elsewhere without fear of its being carried out twice.
	ErrNotSent = errors.New("the request was not sent")

	// ErrLostReply ends a [Caller] whose peer has left a request without a reply for as long as CallerConfig.Lost, where
	// replies come in order: those that follow could not be told from the missing one. Where they have numbers it ends one
	// whose peer has done so as often as there may be requests, or numbers beyond those.
	ErrLostReply = errors.New("clients: Caller: a reply is missing")

	// ErrStrayReply ends a [Caller] whose peer has sent what nobody asked for, because no later reply could be trusted.
	ErrStrayReply = errors.New("clients: Caller: the peer sent a reply without a request")
)

// CallerConfig says how a [Caller] behaves. The zero value, and nil, mean the defaults.
type CallerConfig[R any] struct {
	// MaxOutstanding is how many requests may be without a reply at once. Further calls wait. A request whose call was
	// cancelled counts until its reply has come or is lost. 0 means 1,024.
	MaxOutstanding int

	// Lost is how long after its call was cancelled a reply is waited for. Then the request is forgotten and gives back its
	// place, and [Caller.Forgotten] counts it; where replies come in order the Caller ends with ErrLostReply. 0 means a
	// minute, negative that it is waited for without limit.
	Lost time.Duration

	// Push, if not nil, is shown each value that arrives, in order, and returns whether it has taken it, as one that
	// answers no request. It runs in the Caller's goroutine, so replies wait while it blocks.
	Push func(r R) bool
}

// CallerTags says how the requests and replies of a protocol carry the numbers that match them.
type CallerTags[R, W any] struct {
	// Tag returns the request with its number. It runs in the goroutine of the call.
	Tag func(w W, id uint64) W

	// ID returns the number of a reply. It runs in the Caller's goroutine.
	ID func(r R) uint64

	// Max is the largest number: they run from 1 to Max and then from 1 again, without those that still await a reply.
	// 0 means 1<<32 - 1.
	Max uint64
}

// Caller lets many goroutines share one conversation in which every request has one reply: [Caller.Call] sends one and
// returns the other, while other calls do the same. Requests that come together leave in one write.
//
// It owns its Duplex and has one goroutine, which receives the replies. When the Duplex fails all calls under way fail,
// and Done is closed; there is no connecting anew.
type Caller[R, W any] struct {
	d     *chanio.Duplex[R, W]
	in    chanio.Upstream[R]
	tags  *CallerTags[R, W] // nil: replies come in order
	cfg   CallerConfig[R]
	slots chan struct{} // one for each request without a reply
	turn  chan struct{} // held while sending: the order of calls is that of requests

	mu      sync.Mutex
	queue   []*request[R]          // in order
	calls   map[uint64]*request[R] // by number
	lost    map[uint64]struct{}    // the numbers of forgotten requests, whose replies may still come
	last    uint64                 // number given
	forgot  uint64
	replies uint64
	err     error         // why it has ended
	closing chan struct{} // closed when no further calls are taken
	done    chan struct{} // closed when it has ended
	exited  chan struct{} // closed when the goroutine has
}

// request is one without a reply.
type request[R any] struct {
	id    uint64
	reply chan callReply[R] // has room for it, so that nobody waits for a call that was cancelled
	timer *time.Timer       // forgets it; nil while its call waits
}

// over is called once when the request is outstanding no more. The caller holds mu.
func (r *request[R]) over() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

type callReply[R any] struct {
	value R
	err   error
}

// NewCaller returns a Caller over d for a protocol whose replies come in the order of the requests. It owns d from then on
// and starts a goroutine, which ends with Close, with d, or with ctx, whose end aborts d. cfg may be nil.
func NewCaller[R, W any](ctx context.Context, d *chanio.Duplex[R, W], cfg *CallerConfig[R]) *Caller[R, W] {
	return newCaller(ctx, d, nil, cfg)
}

// NewTaggedCaller is [NewCaller] for a protocol whose replies come in any order and have the numbers of their requests.
func NewTaggedCaller[R, W any](
	ctx context.Context, d *chanio.Duplex[R, W], tags CallerTags[R, W], cfg *CallerConfig[R],
) *Caller[R, W] {
	return newCaller(ctx, d, tags.complete("NewTaggedCaller"), cfg)
}

// complete returns t, which may be nil, with the default of Max, and panics in the name of a function if it cannot work.
func (t *CallerTags[R, W]) complete(who string) *CallerTags[R, W] {
	if t == nil {
		return nil
	}
	if t.Tag == nil || t.ID == nil {
		panic("clients: " + who + ": needs both Tag and ID")
	}
	c := *t
	c.Max = cmp.Or(c.Max, math.MaxUint32)
	return &c
}

// max returns the largest number, or no limit without numbers.
func (t *CallerTags[R, W]) max() uint64 {
	if t == nil {
		return math.MaxUint64
	}
	return t.Max
}

// complete puts the defaults in the place of zeros.
func (cfg *CallerConfig[R]) complete(tags uint64) {
	cfg.MaxOutstanding = cmp.Or(cfg.MaxOutstanding, 1024)
	cfg.Lost = cmp.Or(cfg.Lost, time.Minute)
	if cfg.MaxOutstanding < 0 || uint64(cfg.MaxOutstanding) > tags {
		panic(fmt.Sprintf("clients: NewCaller: MaxOutstanding must be at least 1 and at most CallerTags.Max, got %d",
			cfg.MaxOutstanding))
	}
}

func newCaller[R, W any](ctx context.Context, d *chanio.Duplex[R, W], tags *CallerTags[R, W], cfg *CallerConfig[R]) *Caller[R, W] {
	cl := &Caller[R, W]{
		d: d, tags: tags, calls: map[uint64]*request[R]{}, lost: map[uint64]struct{}{}, turn: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}), exited: make(chan struct{}),
	}
	if cfg != nil {
		cl.cfg = *cfg
	}
	cl.cfg.complete(tags.max())
	cl.slots = make(chan struct{}, cl.cfg.MaxOutstanding)
	cl.in = d.In.Claim("clients.Caller")
	go cl.receive(ctx)
	return cl
}

// receive is the goroutine.
func (cl *Caller[R, W]) receive(ctx context.Context) {
	defer close(cl.exited)
	var err error
	returned := false
	defer func() {
		if !returned {
			err = chanio.Recovered(recover())
		}
		cl.fail(err)
		_ = cl.in.Close() // the failure is what matters
	}()
	for err == nil {
		var r R
		if r, err = cl.in.Next(ctx); err == nil {
			err = cl.deliver(r)
		}
	}
	err = unexpectedEnd(err)
	returned = true
}

// deliver gives r to the call that it answers.
func (cl *Caller[R, W]) deliver(r R) error {
	if cl.cfg.Push != nil && cl.cfg.Push(r) {
		return nil
	}
	c, late := cl.answered(r)
	switch {
	case late:
		return nil
	case c == nil:
		return ErrStrayReply
	}
	c.reply <- callReply[R]{value: r}
	<-cl.slots
	return nil
}

// answered returns the request that r answers, which is outstanding no more, or nil. late says that it was forgotten.
func (cl *Caller[R, W]) answered(r R) (c *request[R], late bool) {
	var id uint64
	if cl.tags != nil {
		id = cl.tags.ID(r)
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.tags != nil {
		if c = cl.calls[id]; c == nil {
			_, late = cl.lost[id]
			delete(cl.lost, id)
			return nil, late
		}
		delete(cl.calls, id)
		cl.replies++
		c.over()
		return c, false
	}
	if len(cl.queue) == 0 {
		return nil, false
	}
	c = cl.queue[0]
	cl.queue[0] = nil
	cl.queue = cl.queue[1:]
	cl.replies++
	c.over()
	return c, false
}

// abandon notes that nobody waits for the reply to c any more.
func (cl *Caller[R, W]) abandon(c *request[R]) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.err == nil && cl.cfg.Lost >= 0 && cl.isOutstanding(c) {
		c.timer = time.AfterFunc(cl.cfg.Lost, func() { cl.forget(c) })
	}
}

// isOutstanding reports whether c has no reply. The caller holds mu.
func (cl *Caller[R, W]) isOutstanding(c *request[R]) bool {
	if cl.tags != nil {
		return cl.calls[c.id] == c
	}
	return slices.Contains(cl.queue, c)
}

// forget gives up waiting for the reply to c, in the goroutine of its timer.
func (cl *Caller[R, W]) forget(c *request[R]) {
	cl.mu.Lock()
	if cl.err != nil || !cl.isOutstanding(c) {
		cl.mu.Unlock()
		return
	}
	cl.forgot++
	if cl.tags == nil || uint64(len(cl.lost)) >= min(uint64(cl.cfg.MaxOutstanding), cl.tags.Max-uint64(cl.cfg.MaxOutstanding)) {
		cl.mu.Unlock()
		cl.fail(ErrLostReply)
		return
	}
	delete(cl.calls, c.id)
	cl.lost[c.id] = struct{}{}
	cl.mu.Unlock()
	<-cl.slots
}

// fail ends the Caller with err and aborts its Duplex, unless it has ended.
func (cl *Caller[R, W]) fail(err error) {
	if cl.end(err) {
		cl.d.Out.Abort(err)
	}
}

// end ends the Caller with err, once, and all calls with it. It reports whether it was the first to do so.
func (cl *Caller[R, W]) end(err error) bool {
	cl.mu.Lock()
	if cl.err != nil {
		cl.mu.Unlock()
		return false
	}
	cl.err = err
	close(cl.done)
	waiting := cl.queue
	for _, c := range cl.calls {
		waiting = append(waiting, c)
	}
	cl.queue, cl.calls = nil, nil
	for _, c := range waiting {
		c.over()
	}
	cl.mu.Unlock()
	for _, c := range waiting {
		c.reply <- callReply[R]{err: err}
	}
	return true
}

// Shutdown refuses further calls, waits until those under way have their replies, those that were cancelled included,
// and then does what Close does. If ctx ends first Shutdown returns its cause, and calls still under way fail.
func (cl *Caller[R, W]) Shutdown(ctx context.Context) error {
	var err error
	if cl.refuse() {
		err = cl.drain(ctx)
	} else {
		err = cl.awaitEnd(ctx) // somebody else drains
	}
	return errors.Join(err, cl.Close())
}

// refuse has further calls refused, and reports whether they were not so far.
func (cl *Caller[R, W]) refuse() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if isClosed(cl.closing) {
		return false
	}
	close(cl.closing)
	return true
}

func (cl *Caller[R, W]) awaitEnd(ctx context.Context) error {
	select {
	case <-cl.done:
		return nil
	case <-ctx.Done():
		return chanio.Cause(ctx)
	}
}

// drain waits until all requests have their replies, by taking all their slots.
func (cl *Caller[R, W]) drain(ctx context.Context) error {
	for range cl.cfg.MaxOutstanding {
		select {
		case cl.slots <- struct{}{}:
		case <-cl.done:
			return nil
		case <-ctx.Done():
			return chanio.Cause(ctx)
		}
	}
	return nil
}

// Close ends the Caller: calls under way and later ones return an error that is net.ErrClosed. What was sent is still
// delivered, and the Duplex is closed; Close waits for that, as its Close does and with its error, and for the
// goroutine. It is idempotent. After a failure it returns nil: Err has told.
func (cl *Caller[R, W]) Close() error {
	cl.refuse()
	first := cl.end(net.ErrClosed)
	err := cl.d.Close()
	<-cl.exited
	if !first {
		return nil
	}
	return err
}

// Done is closed when the Caller has ended: no call under way will succeed, nor any later one.
func (cl *Caller[R, W]) Done() <-chan struct{} { return cl.done }

// Err tells why the Caller has ended: net.ErrClosed after Close, io.ErrUnexpectedEOF if the peer has ended the
// conversation, otherwise the failure. While it has not ended Err returns nil.
func (cl *Caller[R, W]) Err() error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.err
}

// Replies returns how many requests have had their reply.
func (cl *Caller[R, W]) Replies() uint64 {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.replies
}

// Forgotten returns how many requests were forgotten because their replies are lost (see CallerConfig.Lost).
func (cl *Caller[R, W]) Forgotten() uint64 {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.forgot
}

// Outstanding returns how many requests are without a reply.
func (cl *Caller[R, W]) Outstanding() int {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return len(cl.queue) + len(cl.calls)
}
