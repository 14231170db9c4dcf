package clients

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

var (
	// ErrNotSent is in the error of a [Mux.Call] whose request has not been sent, nor ever will be: it may be repeated
	// elsewhere without fear of its being carried out twice.
	ErrNotSent = errors.New("the request was not sent")

	// ErrStrayReply ends a [Mux] whose peer has sent what nobody asked for, because no later reply could be trusted.
	ErrStrayReply = errors.New("clients: Mux: the peer sent a reply without a request")
)

// MuxConfig says how a [Mux] behaves. The zero value, and nil, mean the defaults.
type MuxConfig[R any] struct {
	// MaxOutstanding is how many requests may be without a reply at once. Further calls wait. A request whose call was
	// cancelled counts until its reply has come. 0 means 1,024.
	MaxOutstanding int

	// Push, if not nil, is shown each value that arrives, in order, and returns whether it has taken it, as one that
	// answers no request. It runs in the Mux's goroutine, so replies wait while it blocks.
	Push func(r R) bool
}

// MuxTags says how the requests and replies of a protocol carry the numbers that match them.
type MuxTags[R, W any] struct {
	// Tag returns the request with its number. It runs in the goroutine of the call.
	Tag func(w W, id uint64) W

	// ID returns the number of a reply. It runs in the Mux's goroutine.
	ID func(r R) uint64

	// Max is the largest number: they run from 1 to Max and then begin anew, without those that still await a reply.
	// 0 means 1<<32 - 1.
	Max uint64
}

// Mux lets many goroutines share one conversation in which every request has one reply: [Mux.Call] sends one and
// returns the other, while other calls do the same. Requests that come together leave in one write.
//
// It owns its Duplex and has one goroutine, which receives the replies. When the Duplex fails all calls under way fail,
// and Done is closed; there is no connecting anew.
type Mux[R, W any] struct {
	d     *chanio.Duplex[R, W]
	in    chanio.Upstream[R]
	tags  *MuxTags[R, W] // nil: replies come in order
	cfg   MuxConfig[R]
	slots chan struct{} // one for each request without a reply
	turn  chan struct{} // held while sending: the order of calls is that of requests

	mu      sync.Mutex
	queue   []*muxCall[R]          // in order
	calls   map[uint64]*muxCall[R] // by number
	last    uint64                 // number given
	err     error                  // why it has ended
	closing chan struct{}          // closed when no further calls are taken
	done    chan struct{}          // closed when it has ended
	exited  chan struct{}          // closed when the goroutine has
}

// muxCall is a request without a reply.
type muxCall[R any] struct {
	id    uint64
	reply chan muxReply[R] // has room for it, so that nobody waits for a call that was cancelled
}

type muxReply[R any] struct {
	value R
	err   error
}

// NewMux returns a Mux over d for a protocol whose replies come in the order of the requests. It owns d from then on
// and starts a goroutine, which ends with Close, with d, or with ctx, whose end aborts d. cfg may be nil.
func NewMux[R, W any](ctx context.Context, d *chanio.Duplex[R, W], cfg *MuxConfig[R]) *Mux[R, W] {
	return newMux(ctx, d, nil, cfg)
}

// NewTaggedMux is [NewMux] for a protocol whose replies come in any order and have the numbers of their requests.
func NewTaggedMux[R, W any](
	ctx context.Context, d *chanio.Duplex[R, W], tags MuxTags[R, W], cfg *MuxConfig[R],
) *Mux[R, W] {
	if tags.Tag == nil || tags.ID == nil {
		panic("clients: NewTaggedMux: needs both Tag and ID")
	}
	if tags.Max == 0 {
		tags.Max = math.MaxUint32
	}
	return newMux(ctx, d, &tags, cfg)
}

func newMux[R, W any](ctx context.Context, d *chanio.Duplex[R, W], tags *MuxTags[R, W], cfg *MuxConfig[R]) *Mux[R, W] {
	m := &Mux[R, W]{
		d: d, tags: tags, calls: map[uint64]*muxCall[R]{}, turn: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}), exited: make(chan struct{}),
	}
	if cfg != nil {
		m.cfg = *cfg
	}
	m.cfg.MaxOutstanding = orElse(m.cfg.MaxOutstanding, 1024)
	if m.cfg.MaxOutstanding < 0 || tags != nil && uint64(m.cfg.MaxOutstanding) > tags.Max {
		panic(fmt.Sprintf("clients: NewMux: MaxOutstanding must be at least 1 and at most MuxTags.Max, got %d",
			m.cfg.MaxOutstanding))
	}
	m.slots = make(chan struct{}, m.cfg.MaxOutstanding)
	m.in = d.In.Claim("clients.Mux")
	go m.receive(ctx)
	return m
}

// receive is the goroutine.
func (m *Mux[R, W]) receive(ctx context.Context) {
	defer close(m.exited)
	var err error
	returned := false
	defer func() {
		if !returned {
			err = chanio.Recovered(recover())
		}
		if m.end(err) {
			m.d.Out.Abort(err)
		}
		_ = m.in.Close() // the failure is what matters
	}()
	for err == nil {
		var r R
		if r, err = m.in.Next(ctx); err == nil {
			err = m.deliver(r)
		}
	}
	err = unexpectedEnd(err)
	returned = true
}

// deliver gives r to the call that it answers.
func (m *Mux[R, W]) deliver(r R) error {
	if m.cfg.Push != nil && m.cfg.Push(r) {
		return nil
	}
	c := m.answered(r)
	if c == nil {
		return ErrStrayReply
	}
	c.reply <- muxReply[R]{value: r}
	<-m.slots
	return nil
}

// answered returns the call that r answers, which is outstanding no more, or nil.
func (m *Mux[R, W]) answered(r R) *muxCall[R] {
	var id uint64
	if m.tags != nil {
		id = m.tags.ID(r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tags != nil {
		c := m.calls[id]
		delete(m.calls, id)
		return c
	}
	if len(m.queue) == 0 {
		return nil
	}
	c := m.queue[0]
	m.queue[0] = nil
	m.queue = m.queue[1:]
	return c
}

// end ends the Mux with err, once, and all calls with it. It reports whether it was the first to do so.
func (m *Mux[R, W]) end(err error) bool {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		return false
	}
	m.err = err
	close(m.done)
	waiting := m.queue
	for _, c := range m.calls {
		waiting = append(waiting, c)
	}
	m.queue, m.calls = nil, nil
	m.mu.Unlock()
	for _, c := range waiting {
		c.reply <- muxReply[R]{err: err}
	}
	return true
}

// Shutdown refuses further calls, waits until those under way have their replies, those that were cancelled included,
// and then does what Close does. If ctx ends first Shutdown returns its cause, and calls still under way fail.
func (m *Mux[R, W]) Shutdown(ctx context.Context) error {
	var err error
	if m.refuse() {
		err = m.drain(ctx)
	} else {
		err = m.awaitEnd(ctx) // somebody else drains
	}
	return errors.Join(err, m.Close())
}

// refuse has further calls refused, and reports whether they were not so far.
func (m *Mux[R, W]) refuse() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if isClosed(m.closing) {
		return false
	}
	close(m.closing)
	return true
}

func (m *Mux[R, W]) awaitEnd(ctx context.Context) error {
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drain waits until all requests have their replies, by taking all their slots.
func (m *Mux[R, W]) drain(ctx context.Context) error {
	for range m.cfg.MaxOutstanding {
		select {
		case m.slots <- struct{}{}:
		case <-m.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Close ends the Mux: calls under way and later ones return an error that is net.ErrClosed. What was sent is still
// delivered, and the Duplex is closed; Close waits for that, as its Close does and with its error, and for the
// goroutine. It is idempotent. After a failure it returns nil: Err has told.
func (m *Mux[R, W]) Close() error {
	m.refuse()
	first := m.end(net.ErrClosed)
	err := m.d.Close()
	<-m.exited
	if !first {
		return nil
	}
	return err
}

// Done is closed when the Mux has ended: no call under way will succeed, nor any later one.
func (m *Mux[R, W]) Done() <-chan struct{} { return m.done }

// Err tells why the Mux has ended: net.ErrClosed after Close, io.ErrUnexpectedEOF if the peer has ended the
// conversation, otherwise the failure. While it has not ended Err returns nil.
func (m *Mux[R, W]) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Outstanding returns how many requests are without a reply.
func (m *Mux[R, W]) Outstanding() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) + len(m.calls)
}
