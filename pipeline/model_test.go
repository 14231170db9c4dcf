package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// TestRandomPipelines leads numbers through random stages to receivers that do random things, and compares what comes out
// with the simplest model: 0, 1, 2, ... and then one end. Nothing is lost, doubled or reordered, every value with an owner
// is received or goes back, and nothing is left running, which synctest.Test shows by returning. One seed is one
// combination, on 1, 2 or 8 processors; WEIR_SEED repeats it. It takes a few seconds, or twenty with WEIR_LONG.
func TestRandomPipelines(t *testing.T) {
	repeated(t, runModel)
}

// repeated calls run with one seed after the other for two seconds, or twenty with WEIR_LONG, or with WEIR_SEED alone.
func repeated(t *testing.T, run func(t *testing.T, seed uint64)) {
	if given := os.Getenv("WEIR_SEED"); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
		run(t, seed)
		return
	}
	length := 2 * time.Second
	if os.Getenv("WEIR_LONG") != "" {
		length = 20 * time.Second
	}
	seed, runs := rand.Uint64(), 0
	for start := time.Now(); time.Since(start) < length && !t.Failed(); seed++ {
		run(t, seed)
		runs++
	}
	t.Logf("%d runs", runs)
}

func runModel(t *testing.T, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS([]int{1, 2, 8}[seed%3]))
	var m *model
	defer func() {
		if p := recover(); p != nil || t.Failed() {
			t.Errorf("WEIR_SEED=%d: %s: %v", seed, strings.Join(m.path, ", "), p)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		m = &model{T: t, Rand: rand.New(rand.NewPCG(seed, 0))}
		m.build()
		m.run()
	})
}

// model is the expected behavior of a random pipeline.
type model struct {
	*testing.T
	*rand.Rand
	path []string // what was chosen

	s      src
	n      int   // values that are sent
	ends   error // that comes after them
	owned  bool  // by a source with an Undelivered hook
	sent   atomic.Int64
	back   atomic.Int64
	stop   context.CancelFunc // of the ctx of the stages
	cut    atomic.Bool        // somebody closed the stream, ended its ctx, or panicked
	flaky  bool               // calls of the source fail now and then, and may be repeated
	failed atomic.Int64
	calls  atomic.Int64 // calls of functions until one panics; 0: none does

	next int  // the value that comes next
	over bool // the end has come
}

// careful are stages that pass on values which must be closed.
var careful = []stage{
	{name: "Filter", make: func(_ ctxt, s src, f func(int)) src { return pipeline.Filter(s, yes(f)) }},
	{name: "Take", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Take(s, 1<<30) }},
	{name: "TakeWhile", make: func(_ ctxt, s src, f func(int)) src { return pipeline.TakeWhile(s, yes(f)) }},
	{name: "Named", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Named(s, "x") }},
	{name: "Tap", make: func(_ ctxt, s src, f func(int)) src { return pipeline.Tap(s, f) }},
	{name: "Drop", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Drop(s, 0) }},
	{name: "Compact", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Compact(s) }},
	{name: "BatchBy", make: func(_ ctxt, s src, f func(int)) src {
		return pipeline.Flatten(pipeline.BatchBy(s, func(v int) int { f(v); return 1 + v%4 }, 3, time.Second))
	}},
	{name: "BufferBy", make: func(ctx ctxt, s src, f func(int)) src {
		return pipeline.BufferBy(ctx, s, func(v int) int { f(v); return 1 + v%4 }, 3, pipeline.Block)
	}},
	{name: "Timeout", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Timeout(s, 1e6*time.Hour) }},
	{name: "Throttle", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Throttle(s, time.Second, 2) }},
	{name: "Batch", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Flatten(pipeline.Batch(s, 3, time.Second)) }},
	{name: "ReadyChunks", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Flatten(pipeline.ReadyChunks(s, 3)) }},
	{name: "Window", make: func(_ ctxt, s src, _ func(int)) src {
		spans := pipeline.Window(s, time.Second, 3)
		return pipeline.ConcatAll(pipeline.Map(spans, func(w pipeline.Span[[]int]) src { return of(w.Value...) }))
	}},
	{name: "Buffer", make: func(ctx ctxt, s src, _ func(int)) src { return pipeline.Buffer(ctx, s, 3, pipeline.Block) }},
	{name: "Merge", make: func(ctx ctxt, s src, _ func(int)) src { return pipeline.Merge(ctx, of[int](), s) }},
	{name: "Concat", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.Concat(of[int](), s) }},
	{name: "ConcatAll", make: func(_ ctxt, s src, _ func(int)) src { return pipeline.ConcatAll(holding(of[int](), s)) }},
	{name: "Retry", make: func(_ ctxt, s src, _ func(int)) src {
		waiting := holding(s)
		retry := pipeline.Retry(func(ctx ctxt) (src, error) { return waiting.Recv(ctx) },
			&pipeline.RetryConfig{Permanent: func(error) bool { return true }})
		retry.OnDone(func() { _ = waiting.Close() })
		return retry
	}},
	{name: "PartitionBy", make: func(_ ctxt, s src, f func(int)) src {
		return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { f(v); return v / 3 }))
	}},
}

// holding is a Source of sources that stays responsible for those that were not received: Close closes them.
func holding[T any](srcs ...*chanio.Source[T]) *chanio.Source[*chanio.Source[T]] {
	held := make(chan *chanio.Source[T], len(srcs))
	for _, s := range srcs {
		held <- s
	}
	close(held)
	return chanio.NewSource(chanio.SourceHooks[*chanio.Source[T]]{
		Next: func(context.Context) (*chanio.Source[T], error) {
			if s, ok := <-held; ok {
				return s, nil
			}
			return nil, io.EOF
		},
		Close: func() error {
			for s := range held {
				_ = s.Close()
			}
			return nil
		},
	})
}

// build makes the pipeline and what disturbs it.
func (m *model) build() {
	ctx, stop := context.WithCancelCause(m.Context())
	cause := m.cause()
	m.stop = func() { stop(cause) }
	m.n, m.owned = m.IntN(40), m.IntN(2) == 0
	m.ends = []error{io.EOF, io.EOF, errBoom}[m.IntN(3)]
	choice := stages
	m.flaky = m.IntN(4) == 0
	m.s = m.source()
	if m.owned {
		choice = careful[:len(careful):len(careful)]
	}
	for range m.IntN(4) {
		st := choice[m.IntN(len(choice))]
		if m.owned && st.name == "Window" {
			continue // its values are cut out of the owner's hands by the Map behind it
		}
		if m.flaky && (st.goroutine || st.name == "Buffer" || st.name == "BufferBy" || st.name == "Merge") {
			continue // an error of one call is the end for a goroutine
		}
		m.path = append(m.path, st.name)
		m.s = st.make(ctx, m.s, m.called)
	}
	switch m.IntN(5) {
	case 0:
		m.path = append(m.path, "closed")
		for range 2 {
			m.later(func() { _ = m.s.Close() })
		}
	case 1:
		m.path = append(m.path, fmt.Sprintf("stopped(%v)", cause))
		m.later(m.stop)
	case 2:
		m.calls.Store(1 + m.Int64N(40))
		m.path = append(m.path, fmt.Sprintf("panic(%d)", m.calls.Load()))
	}
}

// cause is the cause of a ctx, which may look like an end, or like the error of another call.
func (m *model) cause() error {
	return []error{nil, errBoom, io.EOF, net.ErrClosed, fmt.Errorf("%w", io.EOF), kinds{io.EOF}, passing{}}[m.IntN(7)]
}

// passing is an error of one call.
type passing struct{}

func (passing) Error() string   { return "not now" }
func (passing) Resumable() bool { return true }

// called is the function of the stages.
func (m *model) called(int) {
	if m.calls.Load() > 0 && m.calls.Add(-1) == 0 {
		m.cut.Store(true)
		panic(errBoom)
	}
}

// fails returns an error now and then.
func (m *model) fails() error {
	if n := m.sent.Load(); m.flaky && n%3 == 1 && m.failed.Swap(n) != n { // once before a value
		return passing{}
	}
	return nil
}

// later calls f in a goroutine, after a while.
func (m *model) later(f func()) {
	wait := time.Duration(m.IntN(20)) * time.Second / 2
	go func() {
		time.Sleep(wait)
		m.cut.Store(true)
		f()
	}()
}

// source returns a source of the values: with and without readiness, with and without an owner.
func (m *model) source() src {
	from, to := chanio.PipeOf[int](m.IntN(5))
	pause := m.IntN(3)
	go func() {
		for v := range m.n {
			if pause > 0 && v%pause == 0 {
				time.Sleep(time.Duration(v%4) * time.Second / 4)
			}
			if to.Send(m.Context(), v) != nil {
				return
			}
		}
		if m.ends == io.EOF {
			_ = to.Close()
		} else {
			time.Sleep(10 * time.Minute) // an Abort overtakes what was sent
			to.Abort(m.ends)
		}
	}()
	if !m.owned && !m.flaky {
		return from
	}
	undelivered := func(int) { m.back.Add(1) }
	if !m.owned {
		undelivered = nil
	}
	up := from.Claim("a test")
	return chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(ctx context.Context) (int, error) {
			if err := m.fails(); err != nil {
				return 0, err
			}
			v, err := up.Next(ctx)
			if err == nil {
				m.sent.Add(1)
			}
			return v, err
		},
		TryNext: func() (int, bool, error) {
			if err := m.fails(); err != nil {
				return 0, false, err
			}
			v, ok, err := up.TryNext()
			if ok {
				m.sent.Add(1)
			}
			return v, ok, err
		},
		AtHand: func(dst []int) []int {
			before := len(dst)
			dst = up.AtHand(dst)
			m.sent.Add(int64(len(dst) - before))
			return dst
		},
		Close:       up.Close,
		Undelivered: undelivered, KeepUntaken: m.owned,
	})
}

// run receives in random ways to the end, and checks the rest.
func (m *model) run() {
	ways := []func(context.Context){m.recv, m.try, m.all, m.channel, m.unread, m.connect}
	names := []string{"Recv", "TryRecv", "Values", "C", "Unread", "Connect"}
	for !m.over {
		ctx, cancel := context.WithTimeoutCause(m.Context(), time.Duration(m.IntN(30))*time.Second/10, m.cause())
		way := m.IntN(len(ways))
		m.path = append(m.path, names[way]+" at "+strconv.Itoa(m.next))
		require.Less(m, len(m.path), 2000, "no progress")
		m.guarded(func() { ways[way](ctx) })
		cancel()
	}
	require.True(m, isDone(m.s.Done()))
	if !m.cut.Load() {
		require.Equal(m, m.n, m.next)
	}
	first := m.s.Err()
	_, err := m.s.Recv(m.Context())
	require.Error(m, err)
	require.Equal(m, first, m.s.Err()) // one end
	require.NoError(m, m.s.Close())
	time.Sleep(2 * time.Hour) // the producer has gone too
	m.stop()
	synctest.Wait()
	if m.owned {
		require.Equal(m, m.sent.Load(), int64(m.next)+m.back.Load())
	}
}

// guarded calls f, in which a function of a stage may panic.
func (m *model) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			require.Equal(m, errBoom, v)
			require.ErrorIs(m, m.s.Err(), errBoom)
			var crash *chanio.PanicError
			require.ErrorAs(m, m.s.Err(), &crash)
		}
	}()
	f()
}

// got notes a value.
func (m *model) got(v int) {
	require.Equal(m, m.next, v)
	m.next++
}

// met notes how a call ended, and whether that was the end.
func (m *model) met(ctx context.Context, err error) {
	switch {
	case err == nil || chanio.Resumable(ctx, err):
		require.True(m, err == nil || ctx.Err() != nil || m.flaky, "%v", err)
	case m.cut.Load():
		m.over = true // with net.ErrClosed, the cause of the ctx of the stages, or what came before
	default:
		require.ErrorIs(m, err, m.ends)
		m.over = true
	}
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (m *model) recv(ctx context.Context) {
	v, err := m.s.Recv(ctx)
	if err == nil {
		m.got(v)
	}
	m.met(ctx, err)
}

func (m *model) try(ctx context.Context) {
	v, ok, err := m.s.TryRecv()
	if ok {
		m.got(v)
	}
	m.met(ctx, err)
}

func (m *model) all(ctx context.Context) {
	left := m.IntN(5)
	for v, err := range m.s.Values(ctx) {
		if err != nil {
			m.met(ctx, err)
			return
		}
		m.got(v)
		if left--; left < 0 {
			return
		}
	}
	m.met(ctx, io.EOF)
}

func (m *model) channel(ctx context.Context) {
	own, cancel := context.WithCancel(ctx)
	ch := m.s.C(own)
	for range m.IntN(5) {
		v, ok := <-ch
		if !ok {
			break
		}
		m.got(v)
	}
	cancel()
}

func (m *model) unread(ctx context.Context) {
	up, err := m.s.Acquire(ctx, "a test")
	if err != nil {
		m.met(ctx, err)
		return
	}
	var taken []int
	returned := false
	defer func() {
		for i := range taken {
			up.Unread(taken[len(taken)-1-i])
		}
		if !returned { // a function has panicked
			_ = up.Fail(ctx, chanio.Recovered(errBoom))
		}
		up.Release()
	}()
	for range m.IntN(3) {
		v, err := up.Next(ctx)
		if err != nil {
			if taken == nil {
				m.met(ctx, err)
			}
			break
		}
		require.Equal(m, m.next+len(taken), v)
		taken = append(taken, v)
	}
	returned = true
}

// connect leads values to a Sink with little room, which may end.
func (m *model) connect(ctx context.Context) {
	room, fails := m.IntN(6), m.IntN(2) == 0
	var dst *chanio.Sink[int]
	dst = chanio.NewSink(chanio.SinkHooks[int]{Send: func(ctx context.Context, v int) error {
		if ctx.Err() != nil {
			return chanio.Cause(ctx)
		}
		if room == 0 {
			if fails {
				dst.Abort(net.ErrClosed)
				return net.ErrClosed
			}
			<-ctx.Done()
			return chanio.Cause(ctx)
		}
		room--
		m.got(v)
		return nil
	}})
	err := pipeline.ConnectWith(ctx, m.s, dst, &pipeline.ConnectConfig{KeepSource: true, KeepSink: m.IntN(2) == 0})
	switch {
	case err == nil:
		m.met(ctx, io.EOF)
	case !isDone(dst.Done()):
		m.met(ctx, err)
	}
}
