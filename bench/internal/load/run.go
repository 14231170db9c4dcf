package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-go/weir/bench/internal/child"
)

// Run sends requests as spec describes, and returns when every request has been answered and the target has ended each
// connection after the half-close. notice is called every second and may be nil.
//
// The error for an invalid Spec is a [*UsageError]. If ctx ends, the error is its cause. Any other error describes a
// fault of the target. The Result holds the measurements up to then.
func Run(ctx context.Context, spec Spec, notice func(Second)) (Result, error) {
	if err := spec.Check(); err != nil {
		return Result{Error: err.Error()}, err
	}
	ep, err := parseEndpoint(spec)
	if err != nil {
		return Result{Error: err.Error()}, err
	}
	r := &run{spec: spec, endpoint: ep, rec: newRecorder(spec), notice: notice, over: make(chan struct{})}
	result, err := r.do(ctx)
	if err != nil {
		result.Error = err.Error()
	}
	return result, err
}

// run is one run.
type run struct {
	spec     Spec
	endpoint endpoint
	rec      *recorder
	notice   func(Second)

	workers []worker // streams
	sockets []socket // or datagrams
	sched   *schedule

	epoch    time.Time    // all times are nanoseconds since then
	counting atomic.Bool  // replies are recorded
	from     atomic.Int64 // open loop: requests due earlier are not recorded
	stop     atomic.Bool  // no more requests
	over     chan struct{}
	once     sync.Once
}

// now returns the time since the epoch in nanoseconds.
func (r *run) now() int64 { return int64(time.Since(r.epoch)) }

func (r *run) do(ctx context.Context) (result Result, err error) {
	r.epoch = time.Now()
	defer r.close()
	if err := r.open(ctx); err != nil {
		return Result{}, r.blame(ctx, err)
	}
	group, running := errgroup.WithContext(ctx)
	defer context.AfterFunc(running, r.close)()
	defer moreProcs(r.spec)()
	r.start(running, group)
	var measured tally
	group.Go(func() error {
		defer r.finish()
		result, measured = r.measure(running)
		return nil
	})
	if err = r.blame(ctx, group.Wait()); err == nil {
		err = r.lossError()
	}
	r.complete(&result, measured)
	return result, err
}

// blame returns the cause of ctx if ctx has ended, and otherwise err.
func (r *run) blame(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// open connects, a few at a time.
func (r *run) open(ctx context.Context) error {
	if r.endpoint.network == networkUDP {
		return r.openSockets(ctx)
	}
	r.workers = make([]worker, r.spec.Conns)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dialers)
	for i := range r.workers {
		r.workers[i].init(r, i)
		group.Go(func() error { return r.workers[i].dial(ctx) })
	}
	return group.Wait()
}

// dialers is how many connections are dialed at a time. It is smaller than a listener's backlog.
const dialers = 32

// start starts one or two goroutines for each connection, and the schedule of an open loop.
func (r *run) start(ctx context.Context, group *errgroup.Group) {
	if r.spec.Rate > 0 {
		r.sched = newSchedule(r)
		group.Go(func() error { return r.sched.pace(ctx) })
	}
	for i := range r.workers {
		group.Go(r.workers[i].work)
	}
	for i := range r.sockets {
		group.Go(r.sockets[i].work)
	}
}

// measure counts the replies that arrive between warm-up and end.
func (r *run) measure(ctx context.Context) (Result, tally) {
	pause(ctx, r.spec.Warmup)
	r.from.Store(r.now())
	r.counting.Store(true)
	began, before, conns, used := time.Now(), r.replies(), r.dialled(), child.Use(false)
	result, sum := r.watch(ctx, began)
	now := child.Use(false)
	result.Replies, result.Conns, result.Time = r.replies()-before, r.dialled()-conns, time.Since(began)
	result.CPU, result.Mallocs = now.CPU-used.CPU, now.Mallocs-used.Mallocs
	if r.spec.Reuse == 0 {
		result.Conns = 0
	}
	if r.spec.Rate == 0 {
		r.counting.Store(false) // an open loop still expects replies of the counted time
	}
	return result, sum
}

// watch records the timeline.
func (r *run) watch(ctx context.Context, began time.Time) (result Result, sum tally) {
	sum = newTally()
	at := time.Duration(0)
	for at < r.spec.Time && ctx.Err() == nil {
		pause(ctx, min(time.Second, r.spec.Time-at))
		since := time.Since(began)
		part := r.rec.cut()
		second := secondOf(part, at, since-at)
		at = since
		sum.add(part)
		result.Timeline = append(result.Timeline, second)
		if r.notice != nil {
			r.notice(second)
		}
	}
	return result, sum
}

// complete adds replies that arrived after the counted time, to requests that were due within it.
func (r *run) complete(result *Result, sum tally) {
	if sum.latency == nil {
		return
	}
	rest := r.rec.cut()
	if r.spec.Rate > 0 {
		if n := uint64(rest.latency.TotalCount()); n > 0 {
			result.Timeline = append(result.Timeline, secondOf(rest, result.Time, 0))
		}
		sum.add(rest)
		result.Replies = uint64(sum.latency.TotalCount())
		result.Lag = latencyOf(sum.lag)
	}
	result.Total, result.Lost = r.replies(), r.lost()
	result.Latency, result.Late = latencyOf(sum.latency), sum.late
	result.latency = sum.latency
}

func (r *run) replies() (n uint64) {
	for i := range r.workers {
		n += r.workers[i].replies.Load()
	}
	for i := range r.sockets {
		n += r.sockets[i].replies.Load()
	}
	return n
}

func (r *run) dialled() (n uint64) {
	for i := range r.workers {
		n += r.workers[i].dialled.Load()
	}
	return n
}

func (r *run) lost() (n uint64) {
	for i := range r.sockets {
		n += r.sockets[i].lost.Load()
	}
	return n
}

// finish stops the workers from sending and gives the target some time for the remaining replies.
func (r *run) finish() {
	r.end()
	for i := range r.workers {
		r.workers[i].settle(r.spec.timeout())
	}
}

// end marks the end of the requests.
func (r *run) end() {
	r.stop.Store(true)
	r.once.Do(func() {
		if r.over != nil {
			close(r.over)
		}
	})
}

func (r *run) close() {
	r.end()
	for i := range r.workers {
		r.workers[i].shut()
	}
	for i := range r.sockets {
		r.sockets[i].shut()
	}
}

// pause waits until ctx ends or d is over.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// errUnanswered is the error of a target that does not answer.
var errUnanswered = errors.New("not answered")

func unanswered(n uint64, within time.Duration) error {
	return fmt.Errorf("%d requests were %w within %v of the end", n, errUnanswered, within)
}
