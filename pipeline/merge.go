package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// Merge passes on the values of all sources as they arrive; the values of one source stay in order. It ends cleanly
// when all sources have, and fails with the first that fails, after the values taken by then. A failure, a Close and
// the end of ctx close all sources. One goroutine for each source receives its values, and ends with it. Together they
// are up to DefaultQueue values ahead of the receiver, plus the batch that each of them is passing on.
func Merge[T any](ctx context.Context, srcs ...*chanio.Source[T]) *chanio.Source[T] {
	return MergeWith(ctx, srcs, nil)
}

// MergeConfig configures [MergeWith]. The zero value is [Merge].
type MergeConfig struct {
	// KeepGoing lets the other sources continue when one fails. The stream ends when all have ended, with all failures
	// joined.
	KeepGoing bool

	// Size is the number of values that may wait for the receiver. 0 means DefaultQueue.
	Size int
}

// MergeWith is [Merge] with the options of cfg; nil is the default.
func MergeWith[T any](ctx context.Context, srcs []*chanio.Source[T], cfg *MergeConfig) *chanio.Source[T] {
	if cfg == nil {
		cfg = &MergeConfig{}
	}
	must(ctx != nil, "Merge: ctx is nil")
	m := &merge[T]{inputs: claimAll(srcs, "Merge"), left: len(srcs), keepGoing: cfg.KeepGoing}
	mayHold(!m.borrowed, "Merge")
	m.start(ctx, cfg.Size)
	h := m.hooks(m.pull)
	of := receiving(m.q, "Merge", m.close, m.describe)
	h.AtHand, h.Close, h.Describe = m.atHand, of.Close, of.Describe
	return chanio.NewSource(h)
}

type merge[T any] struct {
	*inputs[T]
	q         *queue.Queue[from[T]]
	keepGoing bool

	mu     sync.Mutex
	left   int // number of sources that have not ended
	failed []error
}

// from is a value and the number of its source.
type from[T any] struct {
	v      T
	source int
}

// start starts to take values.
func (m *merge[T]) start(ctx context.Context, size int) {
	var drop func(from[T])
	if m.careful {
		drop = func(f from[T]) { m.ups[f.source].Drop(f.v) }
	}
	m.q = newQueue("Merge", &Queue[from[T]]{Size: size}, drop)
	if m.left == 0 {
		m.q.End(io.EOF)
	}
	for i, up := range m.ups {
		room := func() int { return m.q.Room() / len(m.ups) }
		go pump(ctx, up, room, m.putter(ctx, i), func(err error) { m.ended(ctx, err) })
	}
}

// putter returns a function that queues values of a source.
func (m *merge[T]) putter(ctx context.Context, source int) func([]T) (int, error) {
	var room []from[T]
	return func(vs []T) (int, error) {
		room = room[:0]
		for _, v := range vs {
			room = append(room, from[T]{v, source})
		}
		n, err := m.q.PutAll(ctx, room)
		clear(room)
		return n, err
	}
}

// ended records the end of one source.
func (m *merge[T]) ended(ctx context.Context, err error) {
	if err != io.EOF && (!m.keepGoing || ctx.Err() != nil && chanio.Resumable(ctx, err)) {
		m.q.End(err)
		safely(&err, func() { _ = m.close() }) // err is returned instead
		return
	}
	m.mu.Lock()
	m.left--
	last := m.left == 0
	if err != io.EOF {
		m.failed = append(m.failed, err)
	}
	end := errors.Join(m.failed...)
	m.mu.Unlock()
	if end == nil {
		end = io.EOF
	}
	if last {
		m.q.End(end)
	}
}

func (m *merge[T]) pull(ctx context.Context) (v T, ok bool, err error) {
	var f from[T]
	if ctx == nil {
		f, ok, err = m.q.TryNext()
	} else {
		f, err = m.q.Next(ctx)
		ok = err == nil
	}
	if ok {
		m.took(f.source)
	}
	return f.v, ok, err
}

func (m *merge[T]) atHand(dst []T) []T {
	for len(dst) < cap(dst) {
		v, ok, _ := m.pull(noWait)
		if !ok {
			break
		}
		dst = append(dst, v)
	}
	return dst
}
