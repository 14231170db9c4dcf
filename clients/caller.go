package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/deadline"
	"github.com/weir-go/weir/internal/eof"
	"github.com/weir-go/weir/internal/guard"
)

// Errors of a [Caller].
var (
	// ErrNotSent is matched by the error of a [Caller.Call] whose request was not sent and never will be. It is safe to
	// repeat such a request elsewhere.
	ErrNotSent = errors.New("the request was not sent")

	// ErrLostReply ends a [Caller] whose peer has not replied to a request for CallerConfig.Lost. If replies come in
	// order, one missing reply ends it, because later replies could not be matched. If they are numbered, it ends when
	// more than MaxOutstanding replies are missing, or when the numbers are used up.
	ErrLostReply = errors.New("clients: Caller: a reply is missing")

	// ErrStrayReply ends a [Caller] whose peer has sent a reply to no request, because later replies could not be
	// trusted. A reply that comes while a request is being sent counts as its answer, and is dropped if the request
	// cannot be sent.
	ErrStrayReply = errors.New("clients: Caller: the peer sent a reply without a request")
)

// CallerConfig configures a [Caller]. A nil *CallerConfig and the zero value use the defaults.
type CallerConfig[R any] struct {
	// MaxOutstanding limits the requests without a reply. Further calls wait. A request whose call was cancelled counts
	// until its reply has arrived or is lost. 0 means 1,024.
	MaxOutstanding int

	// Lost is how long to wait for a reply after its call was cancelled. Then the request is forgotten, its place is
	// freed, and [Caller.Forgotten] counts it; if replies come in order, the Caller ends with ErrLostReply. 0 means one
	// minute; negative means to wait without limit.
	Lost time.Duration

	// Push, if not nil, is called with each received value, in order, and reports whether it has consumed the value, as
	// one that is not a reply. It runs in the Caller's goroutine, so replies wait while it blocks, and it must not call
	// Close or Shutdown, which wait for it.
	Push func(r R) bool
}

// CallerTags defines how the requests and replies of a protocol carry the numbers that match them.
type CallerTags[R, W any] struct {
	// Tag returns the request with its number set. It runs in the goroutine of the call.
	Tag func(w W, id uint64) W

	// ID returns the number of a reply. It runs in the Caller's goroutine.
	ID func(r R) uint64

	// Max is the largest number. Numbers run from 1 to Max and then start again, skipping those that still await a
	// reply. 0 means 1<<32 - 1.
	Max uint64
}

// Caller lets many goroutines share one connection on which every request has one reply: [Caller.Call] sends a request
// and returns its reply, concurrently with other calls. Requests made at the same time leave in one write.
//
// A Caller owns its Duplex and has one goroutine, which receives the replies. When the Duplex fails, all calls in
// progress fail and Done is closed. A Caller does not reconnect; see [Client].
type Caller[R, W any] struct {
	d     *chanio.Duplex[R, W]
	in    chanio.Upstream[R]
	tags  *CallerTags[R, W] // nil: replies come in order
	cfg   CallerConfig[R]
	slots chan struct{} // one for each request without a reply
	freed chan struct{} // receives a token when a slot has been freed
	turn  chan struct{} // held while sending: the order of calls is that of requests
	heard atomic.Uint64 // values received

	mu      sync.Mutex
	queue   []*request[R]          // in order
	calls   map[uint64]*request[R] // by number
	lost    map[uint64]struct{}    // numbers of forgotten requests, whose replies may still arrive
	last    uint64                 // last number assigned
	forgot  uint64
	replies uint64
	quits   bool          // a lost reply ends it if nothing has been received since the request was sent
	err     error         // why it ended
	closing chan struct{} // closed when further calls are rejected
	done    chan struct{} // closed when it has ended
	exited  chan struct{} // closed when the goroutine has ended
}

// request is a request without a reply.
type request[R any] struct {
	id    uint64
	heard uint64            // values received before it was sent
	reply chan callReply[R] // buffered, so that a reply to a cancelled call does not block
	timer *time.Timer       // forgets the request; nil while its call waits
}

// over is called once, when the request is no longer outstanding. The caller holds mu.
func (r *request[R]) over() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

type callReply[R any] struct {
	value R
	err   error
}

// NewCaller returns a Caller over d for a protocol whose replies come in the order of the requests. It owns d from then
// on and starts a goroutine, which ends with Close, with d, or with ctx, whose end aborts d. cfg may be nil.
func NewCaller[R, W any](ctx context.Context, d *chanio.Duplex[R, W], cfg *CallerConfig[R]) *Caller[R, W] {
	return newCaller(ctx, d, nil, cfg)
}

// NewTaggedCaller is [NewCaller] for a protocol whose replies come in any order and carry the numbers of their
// requests.
func NewTaggedCaller[R, W any](
	ctx context.Context, d *chanio.Duplex[R, W], tags CallerTags[R, W], cfg *CallerConfig[R],
) *Caller[R, W] {
	return newCaller(ctx, d, tags.complete("NewTaggedCaller"), cfg)
}

// complete returns t, which may be nil, with the default of Max. It panics, naming the function who, if t is unusable.
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

// complete replaces zeros with the defaults.
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
	cl.slots, cl.freed = make(chan struct{}, cl.cfg.MaxOutstanding), make(chan struct{}, 1)
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
		_ = guard.Call(func() { _ = cl.in.Close() }) // the failure is more important
	}()
	for err == nil {
		var r R
		if r, err = cl.in.Next(ctx); err == nil {
			err = cl.deliver(r)
		}
	}
	err = eof.Unexpected(err)
	returned = true
}

// deliver passes r to the call that it answers.
func (cl *Caller[R, W]) deliver(r R) error {
	cl.heard.Add(1)
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
	cl.free()
	return nil
}

// answered removes and returns the outstanding request that r answers, or nil. late reports that the request had been
// forgotten.
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

// fail ends the Caller with err and aborts its Duplex, unless it has ended. A panic of that Duplex is dropped, since err
// came first.
func (cl *Caller[R, W]) fail(err error) {
	if cl.end(err) {
		_ = guard.Call(func() { cl.d.Out.Abort(err) })
	}
}

// end ends the Caller and all calls with err. It reports whether it was the first to do so.
func (cl *Caller[R, W]) end(err error) bool {
	err = sent(err)
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

// Shutdown rejects further calls, waits for the replies of all requests, including those of cancelled calls, and then
// acts as Close. If ctx ends first, Shutdown returns its cause, and calls in progress fail. Requests that the peer has no
// room for are then discarded.
func (cl *Caller[R, W]) Shutdown(ctx context.Context) error {
	var err error
	switch first := cl.refuse(); {
	case deadline.Ended(cl.done): // even if ctx has ended too
	case first:
		err = cl.drain(ctx)
	default:
		err = cl.awaitEnd(ctx) // another call drains
	}
	if err != nil && cl.d.Out.Flush(ctx) != nil {
		cl.fail(net.ErrClosed) // Close would wait for the peer, and ctx has ended
	}
	return errors.Join(err, cl.Close())
}

// refuse rejects further calls, and reports whether they were accepted before.
func (cl *Caller[R, W]) refuse() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if deadline.Ended(cl.closing) {
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

// free frees the slot of a request.
func (cl *Caller[R, W]) free() {
	<-cl.slots
	select {
	case cl.freed <- struct{}{}:
	default:
	}
}

// drain waits for the replies of all requests.
func (cl *Caller[R, W]) drain(ctx context.Context) error {
	for len(cl.slots) > 0 {
		select {
		case <-cl.freed:
		case <-cl.done:
			return nil
		case <-ctx.Done():
			return chanio.Cause(ctx)
		}
	}
	return nil
}

// Close ends the Caller: calls in progress and later ones return an error that matches net.ErrClosed. Requests already
// sent are still delivered, and the Duplex is closed; Close waits for that and for the goroutine, and returns the error
// of closing the Duplex. It is idempotent. After a failure it returns nil; Err returns the failure.
func (cl *Caller[R, W]) Close() error {
	first := cl.end(net.ErrClosed)
	err := cl.d.Close()
	<-cl.exited
	if !first {
		return nil
	}
	return err
}

// Done returns a channel that is closed when the Caller has ended. Calls in progress and later calls then fail.
func (cl *Caller[R, W]) Done() <-chan struct{} { return cl.done }

// Err returns why the Caller has ended: net.ErrClosed after Close, io.ErrUnexpectedEOF if the peer has closed the
// connection, otherwise the failure. Until then it returns nil.
func (cl *Caller[R, W]) Err() error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.err
}

// Replies returns the number of requests that have been answered.
func (cl *Caller[R, W]) Replies() uint64 {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.replies
}

// Outstanding returns the number of requests without a reply.
func (cl *Caller[R, W]) Outstanding() int {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return len(cl.queue) + len(cl.calls)
}
