package pipeline

import (
	"context"
	"io"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// PartitionBy cuts src into runs of values with the same key, each a Source of its own, without collecting them: the
// next part comes when the one before has been read to its end or closed, and a receiver that asks earlier waits.
// Closing a part drops the rest of its run. A failure of src ends the present part and then the parts with it. When ctx
// of a Recv ends, nothing is lost on either level.
//
// All work is done in the goroutines of the receivers. It is Manifold's lazily-partition-by.
func PartitionBy[T any, K comparable](src *chanio.Source[T], key func(T) K) *chanio.Source[*chanio.Source[T]] {
	p := &partitioner[T, K]{up: src.Claim("pipeline.PartitionBy"), key: key, closing: make(chan struct{})}
	return chanio.NewSource(chanio.SourceHooks[*chanio.Source[T]]{
		Next: p.next, Close: p.close,
		Describe: func() chanio.Description { return describe(p.up.Describe()) },
	})
}

type partitioner[T any, K comparable] struct {
	up  chanio.Upstream[T]
	key func(T) K

	// Owned by whoever receives: from the part while there is one, otherwise from the parts.
	part *part[T, K]

	closing chan struct{}
	once    sync.Once
}

// part is a run of values.
type part[T any, K comparable] struct {
	p     *partitioner[T, K]
	src   *chanio.Source[T]
	key   K
	first T
	begun bool // first was delivered
	keyed bool // key has returned; false in the stream that its panic ended

	over chan struct{} // closed when the receiver of the parts may go on

	mu     sync.Mutex // for close, which runs beside next
	inside bool       // somebody is in next
	ended  bool       // at its end, or closed
	bound  <-chan struct{}
	ctx    context.Context // of the one who binds, cancelled by close
	cancel context.CancelFunc
}

func (p *partitioner[T, K]) close() error {
	p.once.Do(func() { close(p.closing) })
	return p.up.Close()
}

// next waits for the end of the present part and returns the one after it.
func (p *partitioner[T, K]) next(ctx context.Context) (*chanio.Source[T], error) {
	if p.part != nil {
		select {
		case <-p.part.over:
		case <-p.closing:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	v, err := p.firstOther(ctx)
	if err != nil {
		return nil, err
	}
	next := &part[T, K]{p: p, key: p.key(v), first: v, keyed: true, over: make(chan struct{})}
	next.src = chanio.NewSource(chanio.SourceHooks[T]{Next: next.next, Close: next.close})
	p.part = next
	return next.src, nil
}

// firstOther returns the next value that does not belong to the part before, which may have been closed half-way.
func (p *partitioner[T, K]) firstOther(ctx context.Context) (v T, err error) {
	if p.part != nil && !p.part.keyed {
		_ = p.up.Close()
		return v, p.part.src.Err()
	}
	for {
		v, err = p.up.Next(ctx)
		if err != nil || p.part == nil || p.key(v) != p.part.key {
			return v, err
		}
	}
}

func (t *part[T, K]) next(ctx context.Context) (v T, err error) {
	if !t.begun {
		t.begun = true
		return t.first, nil
	}
	ctx, ok := t.enter(ctx)
	if !ok {
		return v, net.ErrClosed
	}
	over := false
	defer func() { t.leave(over) }()
	if v, err = t.p.up.Next(ctx); err != nil {
		over = !isEndOf(ctx, err)
		return v, err
	}
	t.keyed = false
	same := t.p.key(v) == t.key
	if t.keyed = true; same {
		return v, nil
	}
	t.p.up.Unread(v)
	over = true
	var none T
	return none, io.EOF
}

// enter begins a call, whose ctx close cancels too. The ctx is bound once.
func (t *part[T, K]) enter(ctx context.Context) (context.Context, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, false
	}
	t.inside = true
	if t.ctx == nil || t.bound != ctx.Done() {
		t.unbind()
		t.bound = ctx.Done()
		t.ctx, t.cancel = context.WithCancel(ctx)
	}
	return t.ctx, true
}

// leave ends what enter began; over says that the part has come to its end.
func (t *part[T, K]) leave(over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside = false
	t.end(over)
}

// close makes a receiver of the part return and lets the receiver of the parts go on, which drops the rest of the run.
func (t *part[T, K]) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(true)
	return nil
}

// end notes the end, and makes way for the next part as soon as nobody is inside. The caller holds mu.
func (t *part[T, K]) end(over bool) {
	if t.ended = t.ended || over; !t.ended {
		return
	}
	t.unbind()
	if t.inside || isClosed(t.over) {
		return
	}
	close(t.over)
}

func (t *part[T, K]) unbind() {
	if t.cancel != nil {
		t.cancel()
	}
	t.ctx, t.cancel = nil, nil
}
