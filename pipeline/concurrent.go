package pipeline

import (
	"context"
	"io"
	"math"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// MapConcurrent applies f to up to n values at a time, each in a goroutine, and passes on the results in the order of
// src. It takes up to 3n values whose results have not been received, as many as n goroutines between two channels of n
// slots would, and one more that waits for room; then it stops receiving from src.
//
// An error of f ends the stream after the results of earlier values, cancels the ctx of f for later ones, and closes
// src at once. io.EOF has the same effect as a clean end. An end or failure of src comes after the results of all its
// values. A panic of f becomes a [*chanio.PanicError]. When ctx ends or the receiver closes the stream, the ctx of f
// ends, f is not called again, and src is closed; the stage does not wait for calls of f in progress. Goroutines are
// started as needed and end with the stream.
func MapConcurrent[A, B any](
	ctx context.Context, src *chanio.Source[A], n int, f func(ctx context.Context, v A) (B, error),
) *chanio.Source[B] {
	return startMap(ctx, src, "MapConcurrent", n, f, true).source("MapConcurrent")
}

// MapUnordered is [MapConcurrent] with the results in order of completion, so a slow value delays no other. An error of f
// ends the stream after the results completed before it.
func MapUnordered[A, B any](
	ctx context.Context, src *chanio.Source[A], n int, f func(ctx context.Context, v A) (B, error),
) *chanio.Source[B] {
	return startMap(ctx, src, "MapUnordered", n, f, false).source("MapUnordered")
}

// ForEachConcurrent calls f with every value of src, up to n at a time, each in its own goroutine, and returns when src
// has ended and all calls have returned. The first error of f, a panic of f as a [*chanio.PanicError], a failure of
// src, or the end of ctx cancels the ctx of the other calls, closes src, and is returned once they have returned.
func ForEachConcurrent[T any](
	ctx context.Context, src *chanio.Source[T], n int, f func(ctx context.Context, v T) error,
) error {
	must(f != nil, "ForEachConcurrent: f is nil")
	m := startMap(ctx, src, "ForEachConcurrent", n, func(ctx context.Context, v T) (struct{}, error) {
		return struct{}{}, f(ctx, v)
	}, false)
	defer m.all.Wait()
	for {
		if _, err := m.q.Next(ctx); err == io.EOF {
			return nil
		} else if err != nil {
			_ = m.close() // err is returned instead
			return err
		}
	}
}

// concurrent is a stage with workers.
type concurrent[A, B any] struct {
	up      chanio.Upstream[A]
	f       func(ctx context.Context, v A) (B, error)
	n       int
	ordered bool
	q       *queue.Queue[B] // results; room is reserved for each value taken
	all     sync.WaitGroup  // of the goroutines
	own     context.Context // parent of the contexts passed to f
	unwatch func()          // ctx

	mu      sync.Mutex
	work    sync.Cond // there is a job, or none will come
	jobs    queue.Ring[A]
	results queue.Ring[result[B]] // of the values from number done on, if ordered
	taken   uint64                // values from up, numbered from 0
	begun   uint64                // of these, given to f
	done    uint64                // of these, results in q
	end     uint64                // the number at which the stream ends
	endErr  error
	over    bool // q has ended
	idle    int
	workers []*worker
}

// result is a slot in results. It is passed on after the slots before it.
type result[B any] struct {
	v    B
	done bool
}

// worker is a goroutine that calls f.
type worker struct {
	cancel context.CancelFunc
	number uint64 // of the current value
}

func startMap[A, B any](
	ctx context.Context, src *chanio.Source[A], stage string, n int,
	f func(ctx context.Context, v A) (B, error), ordered bool,
) *concurrent[A, B] {
	must(f != nil, stage+": f is nil")
	atLeast(stage, "n", n, 1)
	m := &concurrent[A, B]{up: claim(ctx, src, stage), f: f, n: n, ordered: ordered, end: math.MaxUint64}
	m.q = newQueue(stage, &Queue[B]{Size: 3 * min(n, math.MaxInt/3)}, nil)
	m.work.L = &m.mu
	stop := context.AfterFunc(ctx, func() { m.ended(ctx, chanio.Cause(ctx)) })
	own, cancel := context.WithCancel(ctx)
	m.own, m.unwatch = own, func() {
		stop()
		cancel()
	}
	m.all.Add(1)
	go func() {
		defer m.leave()
		put := func(vs []A) (int, error) { return m.put(ctx, vs) }
		pump(ctx, m.up, m.q.Room, put, func(err error) { m.ended(ctx, err) })
	}()
	return m
}

// leave is called when a goroutine ends. The last one ends after the stream.
func (m *concurrent[A, B]) leave() {
	if m.q.Over() {
		m.unwatch()
	}
	m.all.Done()
}

func (m *concurrent[A, B]) source(stage string) *chanio.Source[B] {
	return chanio.NewSource(receiving(m.q, stage, m.close, only(m.up)))
}

// close is called when the receiver closes the stage.
func (m *concurrent[A, B]) close() error {
	defer m.stop(0, net.ErrClosed, 0)
	return m.up.Close()
}

// put queues values as jobs when there is room for their results. Values that it does not take are put back.
func (m *concurrent[A, B]) put(ctx context.Context, vs []A) (n int, err error) {
	for n < len(vs) {
		room, err := m.q.Reserve(ctx, len(vs)-n)
		if err != nil {
			return n, err
		}
		if !m.begin(ctx, vs[n:n+room]) {
			return n, net.ErrClosed
		}
		n += room
	}
	return n, nil
}

// begin queues values as jobs and reports whether it did; it does not once the stream is ending.
func (m *concurrent[A, B]) begin(ctx context.Context, vs []A) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.goesOn() {
		return false
	}
	for _, v := range vs {
		m.jobs.Push(v)
		m.taken++
		switch {
		case m.idle > 0:
			m.idle--
			m.work.Signal()
		case len(m.workers) < m.n:
			m.hireLocked(ctx)
		}
	}
	return true
}

// goesOn reports whether more values may follow.
func (m *concurrent[A, B]) goesOn() bool { return m.end == math.MaxUint64 && !m.over }

// hireLocked starts a worker.
func (m *concurrent[A, B]) hireLocked(ctx context.Context) {
	own, cancel := context.WithCancel(m.own) // m.own is not the user's ctx, so this calls no user code
	w := &worker{cancel: cancel}
	m.workers = append(m.workers, w)
	m.all.Add(1)
	go func() {
		defer m.leave()
		var err error
		defer safely(&err, func() { _ = m.up.Close() }) // the worker ends only with the stream
		defer cancel()
		m.run(ctx, own, w)
	}()
}

// run executes jobs until there are no more, or until f does not return.
func (m *concurrent[A, B]) run(ctx, own context.Context, w *worker) {
	calling := false
	defer func() {
		if calling {
			m.complete(ctx, w, *new(B), chanio.Recovered(recover()))
		}
	}()
	for {
		v, ok := m.job(w)
		if !ok {
			return
		}
		calling = true
		b, err := m.f(own, v)
		calling = false
		m.complete(ctx, w, b, err)
	}
}

// job waits for a job and gives it to w.
func (m *concurrent[A, B]) job(w *worker) (v A, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.jobs.Len() == 0 && m.goesOn() {
		m.idle++ // undone by the goroutine that signals
		m.work.Wait()
	}
	if m.jobs.Len() == 0 || m.over || m.own.Err() != nil { // stop will run because of ctx
		return v, false
	}
	w.number = m.begun
	m.begun++
	if m.ordered {
		m.results.Push(result[B]{})
	}
	return m.jobs.Shift(), true
}

// complete stores the result of w's value.
func (m *concurrent[A, B]) complete(ctx context.Context, w *worker, b B, err error) {
	if err != nil {
		m.fail(ctx, w.number, err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.over || m.ordered && w.number >= m.end: // the result is not wanted
	case m.ordered:
		*m.results.At(int(w.number - m.done)) = result[B]{b, true}
		for m.done < m.end && m.results.Len() > 0 && m.results.At(0).done {
			m.q.Push(m.results.Shift().v)
			m.done++
		}
	default:
		m.q.Push(b)
		m.done++
	}
	m.finishLocked()
}

// fail ends the stream because f returned err for the value with that number.
func (m *concurrent[A, B]) fail(ctx context.Context, number uint64, err error) {
	switch {
	case isOfCall(ctx, err):
		m.stop(math.MaxUint64, chanio.Cause(ctx), 0)
	case m.ordered:
		m.stop(number, err, number)
	default:
		m.stop(math.MaxUint64, err, 0)
	}
}

// ended records the end of up.
func (m *concurrent[A, B]) ended(ctx context.Context, err error) {
	if ctx.Err() != nil && chanio.Resumable(ctx, err) {
		m.stop(math.MaxUint64, err, 0)
		return
	}
	m.mu.Lock()
	taken := m.taken
	m.mu.Unlock()
	m.stop(taken, err, math.MaxUint64)
}

// stop ends the stream with err after that many results, or after those that are complete now, unless it ends earlier.
// Later values are not started, and calls of f for values from number from on are cancelled. Values that were taken but
// will not be used are put back.
func (m *concurrent[A, B]) stop(after uint64, err error, from uint64) {
	err = final(err)
	m.mu.Lock()
	if after == math.MaxUint64 {
		after = m.done
	}
	if after >= m.end {
		m.mu.Unlock()
		return
	}
	var left []A
	for after < m.taken && m.jobs.Len() > 0 {
		left = append(left, m.jobs.Shift()) // jobs start in order, so all of these are later
	}
	m.end, m.endErr = after, err
	for _, w := range m.workers {
		if w.number >= from {
			w.cancel()
		}
	}
	m.work.Broadcast()
	m.mu.Unlock()
	safely(&err, func() { unreadAll(m.up, left) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end == after {
		m.endErr = err
	}
	m.finishLocked()
}

// finishLocked ends q when all results before the end are in it.
func (m *concurrent[A, B]) finishLocked() {
	if m.done >= m.end && !m.over {
		m.over = true
		m.q.End(m.endErr)
	}
}
