package bus

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/internal/queue"
)

// Attach makes sink receive the values published to topic from now on, until detach is called, ctx ends or the sink has
// ended. It is for topics with many members, such as the connections of a room:
//
//	leave, err := rooms.Attach(ctx, room, conn.Out, nil)
//	defer leave()
//
// Publish passes a value to the sink itself, by [chanio.Sink.TrySend], so an attached sink needs no goroutine. If there
// are many sinks, Publish shares the work among up to GOMAXPROCS goroutines and waits for them. A value for which the
// sink has no room goes to a queue as configured, nil being the default as for Subscribe, and a goroutine sends what the
// queue holds and ends when it is empty. The values of one publisher arrive in order. A value that the sink rejects is
// skipped.
//
// A queue that overflows under [pipeline.Disconnect] or [pipeline.Fail] aborts the sink with [pipeline.ErrOverflow],
// after OnOverflow and, under Fail, after the values in the queue. A panic of the sink aborts it too. Otherwise the sink
// is left open, also by Close of the Bus. After Close of the Bus, Attach returns net.ErrClosed, its only error.
//
// detach drops what the queue holds and waits for the goroutine; a Publish under way may still send its value to the
// sink. It must not be called by a hook of the sink. Calling it again does nothing.
func (b *Bus[K, T]) Attach(
	ctx context.Context, topic K, sink *chanio.Sink[T], cfg *pipeline.Queue[T],
) (detach func(), err error) {
	if sink == nil {
		panic("bus: Attach: sink is nil")
	}
	m := &member[T]{sink: sink, ctx: ctx, cutOff: cfg != nil && cfg.Policy == pipeline.Disconnect}
	s, err := b.subscribe(b.shard(topic), &subscription[K, T]{name: topic, member: m}, "Attach", cfg)
	if err != nil {
		return nil, err
	}
	end := func() {
		_ = s.close()
		m.leave()
	}
	stop := context.AfterFunc(ctx, end)
	return func() { stop(); end() }, nil
}

// member is a sink that is attached to a topic. Publishers send to it while nothing is in its queue.
type member[T any] struct {
	q      *queue.Queue[T]
	sink   *chanio.Sink[T]
	ctx    context.Context
	cutOff bool // the policy is Disconnect

	queued atomic.Bool // values go to the queue: a goroutine empties it, or the subscription has ended

	mu     sync.Mutex // held to change queued
	gone   bool       // leave was called
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended; nil without one
}

// offer gives v to the sink, or to the queue if the sink has no room or there are values before v.
func (m *member[T]) offer(v T) queue.Outcome {
	if !m.queued.Load() {
		ok, err := m.sink.TrySend(v)
		switch {
		case err != nil:
			return queue.Outcome{Over: queue.Ended(m.sink.Done())}
		case ok:
			return queue.Outcome{OK: true}
		}
	}
	o := m.q.TryPut(v)
	if o.OK {
		m.start()
	}
	if o.Over && o.Lost && m.cutOff { // under Fail the values in the queue go first
		m.sink.Abort(queue.ErrOverflow)
	}
	return o
}

// put is offer for a value that waits for room in the queue.
func (m *member[T]) put(ctx context.Context, v T) (bool, error) {
	ok, err := m.q.Put(ctx, v)
	if ok {
		m.start()
	}
	return ok, err
}

// start starts the goroutine that empties the queue, unless there is one.
func (m *member[T]) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.queued.Load() {
		return
	}
	m.queued.Store(true)
	ctx, cancel := context.WithCancel(m.ctx)
	m.cancel, m.done = cancel, make(chan struct{})
	go m.run(ctx, m.done, cancel) // leave waits for it
}

// run sends what the queue holds.
func (m *member[T]) run(ctx context.Context, done chan struct{}, cancel context.CancelFunc) {
	defer close(done)
	defer cancel()
	returned := false
	defer func() {
		if !returned {
			m.broken(recover())
		}
	}()
	for !m.stop() {
		v, ok, err := m.q.TryNext()
		if ok {
			if err := m.sink.Send(ctx, v); err != nil && (ctx.Err() != nil || queue.Ended(m.sink.Done())) {
				m.q.End(err) // the next publisher removes the subscription
				break
			}
		} else if errors.Is(err, queue.ErrOverflow) {
			_ = m.sink.Flush(ctx)
			m.sink.Abort(err)
			break
		} else if err != nil {
			break
		}
	}
	returned = true
}

// stop reports whether the queue is empty and still open. Then publishers send to the sink again, and the goroutine ends.
func (m *member[T]) stop() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone || !m.q.Empty() || m.q.Over() {
		return false
	}
	m.queued.Store(false)
	m.done = nil
	return true
}

// leave ends the goroutine and waits for it. A publisher that has asked before may still send to the sink.
func (m *member[T]) leave() {
	m.mu.Lock()
	m.gone = true
	m.queued.Store(true)
	cancel, done := m.cancel, m.done
	m.mu.Unlock()
	if done != nil {
		cancel()
		<-done
	}
}

// broken ends a member whose sink panicked with v.
func (m *member[T]) broken(v any) {
	err := chanio.Recovered(v)
	m.q.End(err)
	defer func() { _ = recover() }() // the first panic is the reason
	m.sink.Abort(err)
}

// Delivery to many members is shared by goroutines, which take so many at a time: a system call for each member takes
// several microseconds.
const (
	shareMin  = 64
	shareStep = 32
)

// share gives the value to all of subs, with the help of other goroutines.
func (d *delivery[K, T]) share(subs []*subscription[K, T]) {
	var group sync.WaitGroup
	defer group.Wait()
	all := &shared[K, T]{subs: subs}
	helpers := make([]delivery[K, T], min(runtime.GOMAXPROCS(0), len(subs)/shareStep)-1)
	for i := range helpers {
		h := &helpers[i]
		h.topic, h.v = d.topic, d.v
		group.Go(func() { h.help(all, &group) })
	}
	d.take(all)
	group.Wait()
	for i := range helpers {
		h := &helpers[i]
		d.received += h.received
		d.lost = d.lost || h.lost
		d.full = append(d.full, h.full...)
	}
}

// shared is the subscriptions that the goroutines of one delivery share.
type shared[K comparable, T any] struct {
	subs  []*subscription[K, T]
	taken atomic.Int64
}

// take gives the value to some subscriptions at a time, until all have been taken.
func (d *delivery[K, T]) take(all *shared[K, T]) {
	for {
		for len(d.rest) > 0 {
			s := d.rest[0]
			d.rest = d.rest[1:]
			d.to(s)
		}
		end := int(all.taken.Add(shareStep))
		if end-shareStep >= len(all.subs) {
			return
		}
		d.rest = all.subs[end-shareStep : min(end, len(all.subs))]
	}
}

// help is take in a goroutine of the library. If a sink ends that by runtime.Goexit, another takes its place.
func (d *delivery[K, T]) help(all *shared[K, T], group *sync.WaitGroup) {
	returned := false
	defer func() {
		if !returned {
			group.Go(func() { d.help(all, group) })
		}
	}()
	d.take(all)
	returned = true
}
