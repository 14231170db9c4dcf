package pipeline

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/weir-go/weir/chanio"
)

// PartitionBy divides src into runs of values with the same key. Each run is a Source and is not collected. The next
// part is available when the one before has been received to its end or closed; a receiver that asks earlier waits.
// Closing a part drops the rest of its run. A failure of src ends the current part and then the stream of parts. When
// the ctx of a Recv ends, nothing is lost on either level. All work is done in the receivers' goroutines.
func PartitionBy[T any, K comparable](src *chanio.Source[T], key func(T) K) *chanio.Source[*chanio.Source[T]] {
	must(key != nil, "PartitionBy: key is nil")
	p := &partitioner[T, K]{up: claimToHold(src, "PartitionBy"), key: key}
	h := timed(p.up, &p.alarm, p.pull)
	if p.up.Undelivered() != nil {
		h.Undelivered, h.KeepUntaken = func(part *chanio.Source[T]) { _ = part.Close() }, true
	}
	return chanio.NewSource(h)
}

type partitioner[T any, K comparable] struct {
	up    chanio.Upstream[T] // used by the receiver of the part if there is one, else by the receiver of the parts
	key   func(T) K
	part  *part[T, K]
	alarm alarm
}

// pull waits for the end of the current part and returns the next one.
func (p *partitioner[T, K]) pull(ctx context.Context) (_ *chanio.Source[T], ok bool, err error) {
	if p.part != nil && !hasEnded(p.part.over) {
		if ctx == nil {
			return nil, false, nil
		}
		bound := p.alarm.until(ctx, time.Time{})
		select {
		case <-p.part.over:
		case <-bound.Done():
			if ctx.Err() != nil {
				return nil, false, chanio.Cause(ctx)
			}
			return nil, false, net.ErrClosed
		}
	}
	if p.part != nil && !p.part.keyed {
		_ = p.up.Close() // the panic of key continues
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
		if ctxEnded(ctx) {
			return nil, false, chanio.Cause(ctx)
		}
	}
}

// begin returns a part that starts with v, or drops v if it belongs to the previous part, which was closed before its
// end.
func (p *partitioner[T, K]) begin(v T) *chanio.Source[T] {
	var k K
	orPutBack(p.up, v, func() { k = p.key(v) })
	if p.part != nil && (p.part.fresh || k == p.part.key) {
		p.part.fresh = false
		p.up.Drop(v)
		return nil
	}
	p.up.Unread(v)
	next := &part[T, K]{p: p, key: k, fresh: true, keyed: true, over: make(chan struct{})}
	h := pass(p.up, derive(p.up, next.pull))
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
	fresh bool // the next value is the first, whatever its key: a key may differ from itself
	alarm alarm

	over chan struct{} // closed when the receiver of the parts may continue

	mu     sync.Mutex // for close, which runs concurrently with pull
	inside bool       // a call of pull is running
	ended  bool       // at its end, or closed
}

func (t *part[T, K]) pull(ctx context.Context) (v T, ok bool, err error) {
	if ctxEnded(ctx) {
		return v, false, chanio.Cause(ctx)
	}
	if !t.enter() {
		return v, false, net.ErrClosed
	}
	over := false
	defer func() { t.leave(true, over) }()
	if v, ok, err = await(ctx, &t.alarm, time.Time{}, t.p.up); !ok {
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
	mine := t.fresh
	if t.fresh = false; mine {
		return true
	}
	t.keyed = false
	orPutBack(t.p.up, v, func() { mine = t.p.key(v) == t.key })
	if t.keyed = true; !mine {
		t.p.up.Unread(v)
	}
	return mine
}

// enter marks the start of a call of pull. It fails if the part has ended.
func (t *part[T, K]) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside = !t.ended
	return t.inside
}

// leave undoes enter if inside is true. over means that the part has ended: the next part may then start as soon as no
// call of pull is running.
func (t *part[T, K]) leave(inside, over bool) {
	t.mu.Lock()
	t.inside = t.inside && !inside
	t.ended = t.ended || over
	ended := t.ended
	if ended && !t.inside && !hasEnded(t.over) {
		close(t.over)
	}
	t.mu.Unlock()
	if ended {
		t.alarm.stop()
	}
}

// close unblocks the receiver of the part and the receiver of the parts, which drops the rest of the run.
func (t *part[T, K]) close() error {
	t.leave(false, true)
	return nil
}
