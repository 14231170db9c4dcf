package pipeline

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// Merge passes on the values of all sources as they come; those of one source stay in order. It ends well when all of
// them have, and fails with the first that fails, after the values that were taken by then. A failure, a Close and
// ctx's end close all sources. A goroutine for each source takes its values, and ends with it; together they are up to
// DefaultQueue values ahead of the receiver. In Manifold, where several sources are connected to one sink, the first to
// end closes it and the values of the others are lost.
func Merge[T any](ctx context.Context, srcs ...*chanio.Source[T]) *chanio.Source[T] {
	return MergeWith(ctx, nil, srcs...)
}

// MergeOptions changes what [MergeWith] does. The zero value is [Merge].
type MergeOptions struct {
	// KeepGoing lets the others go on when one source fails. The stream ends when all have ended, with all failures
	// joined.
	KeepGoing bool

	// Size is how many values may wait for the receiver; 0 means DefaultQueue.
	Size int
}

// MergeWith is [Merge] with options; nil stands for none.
func MergeWith[T any](ctx context.Context, opts *MergeOptions, srcs ...*chanio.Source[T]) *chanio.Source[T] {
	var o MergeOptions
	if opts != nil {
		o = *opts
	}
	m := &merge[T]{
		q: newQueue(&Queue[T]{Size: o.Size}, Block), ups: claimAll(srcs, "pipeline.Merge"),
		left: len(srcs), keepGoing: o.KeepGoing,
	}
	m.q.undelivered = undeliveredOf(m.ups)
	if m.left == 0 {
		m.q.end(io.EOF, false)
	}
	for _, up := range m.ups {
		go pump(ctx, up, m.q.putter(ctx), func(err error) { m.ended(ctx, err) })
	}
	return m.q.source("pipeline.Merge", m.close, func() []chanio.Description { return describeAll(m.ups) })
}

type merge[T any] struct {
	q         *queue[T]
	ups       []chanio.Upstream[T]
	keepGoing bool

	mu     sync.Mutex
	left   int // of sources that have not ended
	failed []error
}

func (m *merge[T]) close() error { return closeAll(m.ups) }

// ended notes the end of one source.
func (m *merge[T]) ended(ctx context.Context, err error) {
	if err != io.EOF && (!m.keepGoing || isEndOf(ctx, err)) {
		m.q.end(err, false)
		_ = m.close() // err is what matters
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
		m.q.end(end, false)
	}
}
