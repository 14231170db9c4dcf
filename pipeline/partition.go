package pipeline

import (
	"context"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// PartitionBy cuts src into runs of values with the same key, each a Source, without collecting them: the next part comes
// when the one before has been read to its end or closed, and a receiver that asks earlier waits. Closing a part drops
// the rest of its run. A failure of src ends the present part and then the parts with it. When ctx of a Recv ends,
// nothing is lost on either level. All work is done in the goroutines of the receivers.
func PartitionBy[T any, K comparable](src *chanio.Source[T], key func(T) K) *chanio.Source[*chanio.Source[T]] {
	must(key != nil, "PartitionBy: key is nil")
	p := &partitioner[T, K]{up: claimToHold(src, "PartitionBy"), key: key, closing: make(chan struct{})}
	h := derive(p.up, p.pull)
	h.Close = p.close
	if p.up.Undelivered() != nil {
		h.Undelivered, h.KeepUntaken = func(part *chanio.Source[T]) { _ = part.Close() }, true
	}
	return chanio.NewSource(h)
}

type partitioner[T any, K comparable] struct {
	up  chanio.Upstream[T]
	key func(T) K

	// Owned by the receiver: of the part while there is one, otherwise of the parts.
	part *part[T, K]

	closing chan struct{}
	once    sync.Once
}

func (p *partitioner[T, K]) close() error {
	p.once.Do(func() { close(p.closing) })
	return p.up.Close()
}

// pull waits for the end of the present part and returns the one after it.
func (p *partitioner[T, K]) pull(ctx context.Context) (_ *chanio.Source[T], ok bool, err error) {
	if p.part != nil && !hasEnded(p.part.over) {
		if ctx == nil {
			return nil, false, nil
		}
		select {
		case <-p.part.over:
		case <-p.closing:
			return nil, false, net.ErrClosed
		case <-ctx.Done():
			return nil, false, chanio.Cause(ctx)
		}
	}
	if p.part != nil && !p.part.keyed {
		_ = p.up.Close() // the panic of key is what matters
		return nil, false, p.part.src.Err()
	}
	for {
		v, ok, err := take(ctx, p.up)
		if !ok {
			return nil, false, err
		}
		if src := p.begin(v); src != nil {
			return src, true, nil
		}
		if ctx != nil && ctx.Err() != nil {
			return nil, false, chanio.Cause(ctx)
		}
	}
}

// begin makes a part of v, or drops v if it belongs to the part before, which was closed half-way.
func (p *partitioner[T, K]) begin(v T) *chanio.Source[T] {
	var k K
	orPutBack(p.up, v, func() { k = p.key(v) })
	if p.part != nil && k == p.part.key {
		p.up.Drop(v)
		return nil
	}
	next := &part[T, K]{p: p, key: k, first: v, fresh: true, keyed: true, over: make(chan struct{})}
	h := pass(p.up, next.pull)
	h.Close, h.Describe = next.close, nil
	next.src = chanio.NewSource(h)
	p.part = next
	return next.src
}

// part is a run of values.
type part[T any, K comparable] struct {
	p     *partitioner[T, K]
	src   *chanio.Source[T]
	key   K
	keyed bool // key has returned; false in the stream that its panic ended

	over chan struct{} // closed when the receiver of the parts may go on

	mu     sync.Mutex // for close, which runs beside pull
	first  T
	fresh  bool // first was not delivered
	inside bool // somebody is in pull
	ended  bool // at its end, or closed
	bound  <-chan struct{}
	ctx    context.Context // of the receiver, cancelled by close
	cancel context.CancelFunc
}

func (t *part[T, K]) pull(ctx context.Context) (v T, ok bool, err error) {
	if ctx != nil && ctx.Err() != nil {
		return v, false, chanio.Cause(ctx)
	}
	ctx, first, err := t.enter(ctx)
	if err != nil {
		return v, false, err
	}
	over := false
	defer func() { t.leave(over) }()
	if first != nil {
		return *first, true, nil
	}
	if v, ok, err = take(ctx, t.p.up); !ok {
		over = err != nil && !resumable(ctx, err)
		return v, false, err
	}
	if over = !t.isMine(v); over {
		return *new(T), false, io.EOF
	}
	return v, true, nil
}

// isMine reports whether v belongs to the part, and puts it back if not.
func (t *part[T, K]) isMine(v T) bool {
	t.keyed = false
	mine := false
	orPutBack(t.p.up, v, func() { mine = t.p.key(v) == t.key })
	if t.keyed = true; !mine {
		t.p.up.Unread(v)
	}
	return mine
}

// enter begins a call, whose ctx close cancels too; a call that does not wait has none. The ctx is bound once. It returns
// the first value if that has not been delivered.
func (t *part[T, K]) enter(ctx context.Context) (_ context.Context, first *T, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, nil, net.ErrClosed
	}
	t.inside = true
	if t.fresh {
		t.fresh = false
		return nil, &t.first, nil
	}
	if ctx == nil {
		return nil, nil, nil
	}
	if t.ctx == nil || t.bound != ctx.Done() {
		t.unbind()
		t.bound = ctx.Done()
		t.ctx, t.cancel = context.WithCancel(ctx)
	}
	return t.ctx, nil, nil
}

// leave ends what enter began; over says that the part has come to its end.
func (t *part[T, K]) leave(over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside = false
	t.endLocked(over)
}

// close makes a receiver of the part return and lets the receiver of the parts go on, which drops the rest of the run.
func (t *part[T, K]) close() error {
	t.mu.Lock()
	fresh := t.fresh
	t.fresh = false
	t.endLocked(true)
	t.mu.Unlock()
	if fresh {
		t.p.up.Drop(t.first)
	}
	return nil
}

// endLocked notes the end, and makes way for the next part as soon as nobody is inside.
func (t *part[T, K]) endLocked(over bool) {
	if t.ended = t.ended || over; !t.ended {
		return
	}
	t.unbind()
	if !t.inside && !hasEnded(t.over) {
		close(t.over)
	}
}

func (t *part[T, K]) unbind() {
	if t.cancel != nil {
		t.cancel()
	}
	t.ctx, t.cancel = nil, nil
}
