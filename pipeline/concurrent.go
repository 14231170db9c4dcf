package pipeline

import (
	"context"
	"io"
	"math"
	"net"
	"sync"

	"github.com/weir-go/weir/chanio"
)

// MapConcurrent applies f to up to n values at a time, each in a goroutine, and passes the results on in the order of
// src. Up to 3n values are taken and not yet fetched by the receiver, as many as n goroutines between two channels of n
// slots would have; then src is held back.
//
// An error of f ends the stream in its turn: after the results for the values before it, while f's ctx ends for those
// after it, and src is closed at once. io.EOF does that too, as a good end. An end or a failure of src comes after the
// results for all of its values. A panic of f is a *chanio.PanicError. When ctx ends or the receiver closes the stream,
// f's ctx ends, f is called no more, and src is closed; the stage does not wait for calls of f that go on. Goroutines
// are started as they are needed and end with the stream.
func MapConcurrent[A, B any](
	ctx context.Context, src *chanio.Source[A], n int, f func(ctx context.Context, v A) (B, error),
) *chanio.Source[B] {
	return startMap(ctx, src.Claim("pipeline.MapConcurrent"), n, f, true).source("pipeline.MapConcurrent")
}

// MapUnordered is [MapConcurrent] with the results in the order in which they are completed, so that a slow value holds
// back no other. An error of f ends the stream after the results that were complete before it.
func MapUnordered[A, B any](
	ctx context.Context, src *chanio.Source[A], n int, f func(ctx context.Context, v A) (B, error),
) *chanio.Source[B] {
	return startMap(ctx, src.Claim("pipeline.MapUnordered"), n, f, false).source("pipeline.MapUnordered")
}

// ForEachConcurrent calls f with every value of src, up to n at a time, each in a goroutine, and returns when src has
// ended and all calls have returned. The first error of f, a panic of f as a *chanio.PanicError, a failure of src or
// the end of ctx ends the ctx of the other calls, closes src, and is returned when they have returned.
func ForEachConcurrent[T any](
	ctx context.Context, src *chanio.Source[T], n int, f func(ctx context.Context, v T) error,
) error {
	m := startMap(ctx, src.Claim("pipeline.ForEachConcurrent"), n, func(ctx context.Context, v T) (struct{}, error) {
		return struct{}{}, f(ctx, v)
	}, false)
	defer m.all.Wait()
	for {
		if _, err := m.q.next(ctx); err == io.EOF {
			return nil
		} else if err != nil {
			_ = m.close() // err is what matters
			return err
		}
	}
}

// concurrent is a stage with workers. Its lock is that of q, which holds the results.
type concurrent[A, B any] struct {
	up      chanio.Upstream[A]
	f       func(ctx context.Context, v A) (B, error)
	n       int
	ordered bool
	q       *queue[B]
	all     sync.WaitGroup // of the goroutines
	unwatch func() bool    // ctx

	// Guarded by q.mu.
	work    *sync.Cond // there is a job, or none will come
	jobs    []A        // ring of 3n
	results []result[B]
	taken   uint64 // values from up, numbered from 0
	begun   uint64 // of these, given to f
	done    uint64 // of these, results in q
	end     uint64 // the number at which the stream ends
	endErr  error
	idle    int
	workers []*worker
}

// result waits in its place until those before it are there.
type result[B any] struct {
	v    B
	done bool
}

// worker is a goroutine that calls f.
type worker struct {
	cancel context.CancelFunc
	number uint64 // of the value at hand
}

func startMap[A, B any](
	ctx context.Context, up chanio.Upstream[A], n int, f func(ctx context.Context, v A) (B, error), ordered bool,
) *concurrent[A, B] {
	atLeast("n", n, 1)
	m := &concurrent[A, B]{
		up: up, f: f, n: n, ordered: ordered, q: newQueue(&Queue[B]{Size: 3 * n}, Block),
		jobs: make([]A, 3*n), end: math.MaxUint64,
	}
	if ordered {
		m.results = make([]result[B], 3*n)
	}
	m.work = sync.NewCond(&m.q.mu)
	m.q.until = ctx.Done()
	m.unwatch = context.AfterFunc(ctx, func() { m.cancelled(ctx) })
	m.all.Add(1)
	go func() {
		defer m.leave()
		pump(ctx, up, func(v A) error { return m.put(ctx, v) }, func(err error) { m.ended(ctx, err) })
	}()
	return m
}

// leave is called when a goroutine is done. That is no sooner than the stream for the last of them.
func (m *concurrent[A, B]) leave() {
	if m.q.isOver() {
		m.unwatch()
	}
	m.all.Done()
}

func (m *concurrent[A, B]) source(kind string) *chanio.Source[B] {
	return m.q.source(kind, m.close, func() []chanio.Description { return []chanio.Description{m.up.Describe()} })
}

// close is called when the receiver wants no more.
func (m *concurrent[A, B]) close() error {
	m.q.mu.Lock()
	m.stop(0, net.ErrClosed, 0)
	m.q.unlock()
	return m.up.Close()
}

// put makes v a job when there is room.
func (m *concurrent[A, B]) put(ctx context.Context, v A) error {
	m.q.mu.Lock()
	defer m.q.unlock()
	for m.taken-m.q.passed >= uint64(len(m.jobs)) && m.goesOn() {
		m.q.awaitRoom()
	}
	if !m.goesOn() {
		m.giveUp(v)
		return net.ErrClosed
	}
	m.jobs[m.taken%uint64(len(m.jobs))] = v
	m.taken++
	switch {
	case m.idle > 0:
		m.idle--
		m.work.Signal()
	case len(m.workers) < m.n:
		m.hire(ctx)
	}
	return nil
}

// hasNoJob reports whether a worker has to wait.
func (m *concurrent[A, B]) hasNoJob() bool { return m.begun == m.taken && m.goesOn() }

// goesOn reports whether there may be more values.
func (m *concurrent[A, B]) goesOn() bool { return m.end == math.MaxUint64 && !m.q.over }

// hire starts a worker. The caller holds the lock.
func (m *concurrent[A, B]) hire(ctx context.Context) {
	own, cancel := context.WithCancel(ctx)
	w := &worker{cancel: cancel}
	m.workers = append(m.workers, w)
	m.all.Add(1)
	go func() {
		defer m.leave()
		defer m.up.Close() // its work is over because the stream is, or is about to be
		defer cancel()
		m.run(ctx, w, func(v A) (B, error) { return m.f(own, v) })
	}()
}

// run does one job after the other until none will come, or one does not return.
func (m *concurrent[A, B]) run(ctx context.Context, w *worker, do func(A) (B, error)) {
	calling := false
	defer func() {
		if calling {
			var none B
			err := chanio.Recovered(recover())
			m.q.mu.Lock()
			m.complete(ctx, w.number, none, err)
		}
		m.q.unlock()
	}()
	m.q.mu.Lock()
	for m.next(ctx, w) {
		var none A
		job := &m.jobs[w.number%uint64(len(m.jobs))]
		v := *job
		*job = none
		m.q.unlock()
		calling = true
		b, err := do(v)
		calling = false
		m.q.mu.Lock()
		m.complete(ctx, w.number, b, err)
	}
}

// next waits for a job and gives it to w. The caller holds the lock.
func (m *concurrent[A, B]) next(ctx context.Context, w *worker) bool {
	if m.hasNoJob() { // to sleep and be woken for each costs more than short jobs do
		m.q.unlock()
		yield()
		m.q.mu.Lock()
	}
	for m.hasNoJob() {
		m.q.wakeReceiver()
		m.idle++ // whoever signals takes that back
		m.work.Wait()
	}
	if hasEnded(m.q.until) { // and cancelled is on its way
		m.stop(m.done, context.Cause(ctx), 0)
	}
	if m.begun >= min(m.taken, m.end) || m.q.over {
		return false
	}
	w.number = m.begun
	m.begun++
	return true
}

// complete takes the result for a value. The caller holds the lock.
func (m *concurrent[A, B]) complete(ctx context.Context, number uint64, b B, err error) {
	switch {
	case m.q.over || m.ordered && number >= m.end:
		// Nobody waits for it.
	case err != nil && isEndOf(ctx, err):
		m.stop(m.done, context.Cause(ctx), 0)
	case err != nil && m.ordered:
		m.stop(number, err, number)
	case err != nil:
		m.stop(m.done, err, 0)
	case m.ordered:
		m.results[number%uint64(len(m.results))] = result[B]{b, true}
		m.passOn()
	default:
		m.q.push(b, 1)
		m.done++
	}
	m.finish()
}

// passOn moves the results whose turn it is to q.
func (m *concurrent[A, B]) passOn() {
	for m.done < m.end {
		r := &m.results[m.done%uint64(len(m.results))]
		if !r.done {
			return
		}
		m.q.push(r.v, 1)
		*r = result[B]{}
		m.done++
	}
}

// cancelled notes the end of ctx.
func (m *concurrent[A, B]) cancelled(ctx context.Context) {
	m.q.mu.Lock()
	defer m.q.unlock()
	m.stop(m.done, context.Cause(ctx), 0)
}

// ended notes the end of up.
func (m *concurrent[A, B]) ended(ctx context.Context, err error) {
	m.q.mu.Lock()
	defer m.q.unlock()
	if isEndOf(ctx, err) {
		m.stop(m.done, err, 0)
		return
	}
	m.stop(m.taken, err, math.MaxUint64)
}

// stop makes the stream end with err after so many results, if it does not end before. No value is begun that comes
// later, and the calls for values from the given number on are cancelled. The caller holds the lock.
func (m *concurrent[A, B]) stop(after uint64, err error, from uint64) {
	if after >= m.end {
		return
	}
	for i := max(m.begun, after); i < min(m.taken, m.end); i++ {
		m.giveUp(m.jobs[i%uint64(len(m.jobs))])
	}
	m.end, m.endErr = after, err
	for _, w := range m.workers {
		if w.number >= from {
			w.cancel()
		}
	}
	m.work.Broadcast()
	m.q.wakeSender(true)
	m.finish()
}

// giveUp has unlock pass a value for which f will not be called to whoever takes it over.
func (m *concurrent[A, B]) giveUp(v A) {
	undelivered := m.up.Undelivered()
	if undelivered == nil {
		return
	}
	r := m.q.rarely()
	before := r.tell
	r.tell = func() {
		if before != nil {
			before()
		}
		undelivered(v)
	}
}

// finish ends q when all that comes before the end is there.
func (m *concurrent[A, B]) finish() {
	if m.done >= m.end && !m.q.over {
		m.q.over, m.q.err = true, m.endErr
		m.q.wakeSender(true)
	}
}
