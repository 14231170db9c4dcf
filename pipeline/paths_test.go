package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// stage is a stage that passes every value on unchanged, whatever it does with them in between, so the same tests can
// lead all stages through all paths.
type stage struct {
	name string

	// make makes it; it calls f with every value, unless the stage has no function of the user.
	make func(ctx context.Context, src *chanio.Source[int], f func(int)) *chanio.Source[int]

	hasFunc   bool // it calls f
	goroutine bool // it takes ctx first
}

// same calls f and returns v.
func same(f func(int)) func(int) int { return func(v int) int { f(v); return v } }

func sameErr(f func(int)) func(int) (int, error) {
	return func(v int) (int, error) { f(v); return v, nil }
}

func sameCtx(f func(int)) func(context.Context, int) (int, error) {
	return func(_ context.Context, v int) (int, error) { f(v); return v, nil }
}

func yes(f func(int)) func(int) bool { return func(v int) bool { f(v); return true } }

func one(f func(int)) func(int) int { return func(v int) int { f(v); return 1 } }

func spanned(w pipeline.Span[[]int]) []int { return w.Value }

// What the signatures of stages in tables are full of.
type (
	ctxt = context.Context
	src  = *chanio.Source[int]
	text = *chanio.Source[string]
)

var stages = []stage{
	{"Map", func(_ ctxt, s src, f func(int)) src { return pipeline.Map(s, same(f)) }, true, false},
	{"MapErr", func(_ ctxt, s src, f func(int)) src { return pipeline.MapErr(s, sameErr(f)) }, true, false},
	{"Filter", func(_ ctxt, s src, f func(int)) src { return pipeline.Filter(s, yes(f)) }, true, false},
	{"FilterMap", func(_ ctxt, s src, f func(int)) src {
		return pipeline.FilterMap(s, func(v int) (int, bool) { f(v); return v, true })
	}, true, false},
	{"Tap", func(_ ctxt, s src, f func(int)) src { return pipeline.Tap(s, f) }, true, false},
	{"CompactFunc", func(_ ctxt, s src, f func(int)) src {
		return pipeline.CompactFunc(s, func(_, v int) bool { f(v); return false })
	}, true, false},
	{"Compact", func(_ ctxt, s src, _ func(int)) src { return pipeline.Compact(s) }, false, false},
	{"Take", func(_ ctxt, s src, _ func(int)) src { return pipeline.Take(s, 1<<30) }, false, false},
	{"TakeWhile", func(_ ctxt, s src, f func(int)) src { return pipeline.TakeWhile(s, yes(f)) }, true, false},
	{"Drop", func(_ ctxt, s src, _ func(int)) src { return pipeline.Drop(s, 0) }, false, false},
	{"DropWhile", func(_ ctxt, s src, f func(int)) src {
		return pipeline.DropWhile(s, func(v int) bool { return false })
	}, false, false}, // a panic of its function is that of any other, but only the first values reach it
	{"Scan", func(_ ctxt, s src, f func(int)) src {
		return pipeline.Drop(pipeline.Scan(s, -1, func(_, v int) int { f(v); return v }), 1)
	}, true, false},
	{"FlatMap", func(_ ctxt, s src, f func(int)) src {
		return pipeline.FlatMap(s, func(v int) []int { f(v); return []int{v} })
	}, true, false},
	{"Transform", func(_ ctxt, s src, f func(int)) src {
		return pipeline.Transform(s, func(v int, emit func(int)) error { f(v); emit(v); return nil }, nil)
	}, true, false},
	{"Batch", func(_ ctxt, s src, _ func(int)) src { return pipeline.Flatten(pipeline.Batch(s, 2, 0)) }, false, false},
	{"Batch with delay", func(_ ctxt, s src, _ func(int)) src {
		return pipeline.Flatten(pipeline.Batch(s, 2, time.Second))
	}, false, false},
	{"BatchBy", func(_ ctxt, s src, f func(int)) src {
		return pipeline.Flatten(pipeline.BatchBy(s, one(f), 2, 0))
	}, true, false},
	{"Window", func(_ ctxt, s src, _ func(int)) src {
		return pipeline.FlatMap(pipeline.Window(s, time.Second, 2), spanned)
	}, false, false},
	{"Rollup", func(_ ctxt, s src, f func(int)) src {
		w := pipeline.Rollup(pipeline.Throttle(s, time.Second/4, 1), time.Second, func() []int { return nil },
			func(all []int, v int) []int { f(v); return append(all, v) })
		return pipeline.FlatMap(w, spanned)
	}, true, false},
	{"Throttle", func(_ ctxt, s src, _ func(int)) src { return pipeline.Throttle(s, time.Second, 1) }, false, false},
	{"Timeout", func(_ ctxt, s src, _ func(int)) src { return pipeline.Timeout(s, time.Hour) }, false, false},
	{"Named", func(_ ctxt, s src, _ func(int)) src { return pipeline.Named(s, "a name") }, false, false},
	{"Concat", func(_ ctxt, s src, _ func(int)) src { return pipeline.Concat(of[int](), s) }, false, false},
	{"ConcatAll", func(_ ctxt, s src, _ func(int)) src { return pipeline.ConcatAll(of(of[int](), s)) }, false, false},
	{"PartitionBy", func(_ ctxt, s src, f func(int)) src {
		return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { f(v); return v / 2 }))
	}, true, false},
	{"Zip", func(_ ctxt, s src, f func(int)) src {
		return pipeline.Zip(of(upto(1200)...), s, func(_, v int) int { f(v); return v })
	}, true, false},
	{"Retry", func(_ ctxt, s src, _ func(int)) src {
		return pipeline.Retry(func(context.Context) (src, error) { return s, nil },
			&pipeline.RetryConfig{Permanent: func(error) bool { return true }})
	}, false, false},
	{"Buffer", func(ctx ctxt, s src, _ func(int)) src {
		return pipeline.Buffer(ctx, s, 2, pipeline.Block)
	}, false, true},
	{"BufferBy", func(ctx ctxt, s src, f func(int)) src {
		return pipeline.BufferBy(ctx, s, one(f), 2, pipeline.Block)
	}, true, true},
	{"Merge", func(ctx ctxt, s src, _ func(int)) src { return pipeline.Merge(ctx, s, of[int]()) }, false, true},
	{"Tee", func(ctx ctxt, s src, _ func(int)) src {
		outs := pipeline.Tee(ctx, s, 2)
		return pipeline.Zip(outs[0], outs[1], func(a, b int) int { return a })
	}, false, true},
	{"MapConcurrent", func(ctx ctxt, s src, f func(int)) src {
		return pipeline.MapConcurrent(ctx, s, 3, sameCtx(f))
	}, true, true},
	{"MapUnordered", func(ctx ctxt, s src, f func(int)) src {
		return pipeline.MapUnordered(ctx, s, 1, sameCtx(f))
	}, true, true},
	{"a Map above a Buffer", func(ctx ctxt, s src, f func(int)) src {
		return pipeline.Buffer(ctx, pipeline.Map(s, same(f)), 2, pipeline.Block)
	}, true, true},
}

// producer is the upstream of the stage.
type producer struct {
	name string
	give func() *watched[int] // idle: nothing; blocked: some values; fast: more than anybody takes
	has  int                  // how many values it has
}

var producers = []producer{
	{"idle", func() *watched[int] { return watch[int]() }, 0},
	{"blocked", func() *watched[int] { return watch(upto(5)...) }, 5},
	{"fast", func() *watched[int] { return watch(upto(1000)...) }, 1000},
}

// run is a stage on its way through one path, in a bubble.
type run struct {
	*testing.T
	w   *watched[int]
	s   src
	end context.CancelFunc // of the ctx of the stage
	has int                // values of the producer
}

func nothing(int) {}

// everywhere leads all stages that want it through a path, under each kind of producer. That synctest.Test returns
// shows that no goroutine remains.
func everywhere(t *testing.T, f func(int), want func(stage) bool, path func(r *run)) {
	for _, st := range stages {
		if !want(st) {
			continue
		}
		for _, p := range producers {
			t.Run(st.name+"/"+p.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					w := p.give()
					path(&run{T: t, w: w, s: st.make(ctx, w.Source, f), end: cancel, has: p.has})
				})
			})
		}
	}
}

func all(stage) bool { return true }

// result is the result of a Recv in another goroutine.
type result struct {
	v   int
	err error
}

// recv receives in another goroutine.
func (r *run) recv(ctx context.Context) <-chan result {
	got := make(chan result, 1)
	go func() {
		v, err := r.s.Recv(ctx)
		got <- result{v, err}
	}()
	return got
}

// receive receives n values and requires that they follow the given number of values.
func (r *run) receive(after, n int) {
	r.Helper()
	for i := range n {
		v, err := r.s.Recv(r.Context())
		require.NoError(r, err)
		require.Equal(r, after+i, v)
	}
}

func TestG1EndComesAfterAllValues(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		r.w.fail <- io.EOF
		r.receive(0, r.has)
		for range 2 {
			_, err := r.s.Recv(r.Context())
			require.Equal(r, io.EOF, err)
		}
		require.NoError(r, r.s.Err())
	})
}

func TestG1ErrorComesAfterAllValues(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		r.w.fail <- errBoom
		r.receive(0, r.has)
		for range 2 {
			_, err := r.s.Recv(r.Context())
			require.ErrorIs(r, err, errBoom)
		}
		require.ErrorIs(r, r.s.Err(), errBoom)
	})
}

func TestG1ErrorReachesAReceiverThatWaits(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		if r.has > 0 {
			r.receive(0, r.has-1) // the last may be held by a Batch
		}
		got := r.recv(r.Context())
		synctest.Wait()
		r.w.fail <- errBoom
		res := <-got
		if r.has > 0 {
			require.Equal(r, result{r.has - 1, nil}, res)
			_, res.err = r.s.Recv(r.Context())
		}
		require.ErrorIs(r, res.err, errBoom)
	})
}

func TestG2ACancelledRecvLosesNothing(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		taken := 0
		for range 7 { // between the values as well as after them
			ctx, cancel := context.WithCancel(r.Context())
			got := r.recv(ctx)
			synctest.Wait()
			cancel()
			if res := <-got; res.err == nil {
				require.Equal(r, taken, res.v)
				taken++
			} else {
				require.ErrorIs(r, res.err, context.Canceled)
			}
		}
		r.w.fail <- io.EOF
		r.receive(taken, r.has-taken)
		_, err := r.s.Recv(r.Context())
		require.Equal(r, io.EOF, err)
	})
}

func TestG2ARecvWithAnEndedCtxTakesNothingAndTheStreamLives(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		taken := 0
		for range 3 {
			if v, err := r.s.Recv(cancelled()); err == nil {
				require.Equal(r, taken, v)
				taken++
			} else {
				require.ErrorIs(r, err, context.Canceled)
			}
		}
		r.w.fail <- io.EOF
		r.receive(taken, r.has-taken)
	})
}

func TestG3CloseReachesTheProducerAtOnce(t *testing.T) {
	for _, begun := range []bool{false, true} {
		everywhere(t, nothing, all, func(r *run) {
			if begun && r.has > 0 {
				r.receive(0, 1)
			}
			require.NoError(r, r.s.Close())
			synctest.Wait()
			_, err := r.s.Recv(r.Context())
			require.ErrorIs(r, err, net.ErrClosed)
			require.ErrorIs(r, r.s.Err(), net.ErrClosed)
			if !lazy(r) || begun && r.has > 0 {
				require.True(r, r.w.isClosed())
			}
			require.NoError(r, r.s.Close())
		})
	}
}

// lazy is a stage that has nothing above it before the first Recv.
func lazy(r *run) bool {
	return r.s.Describe().Kind == "pipeline.Retry" || r.s.Describe().Kind == "pipeline.ConcatAll"
}

func TestG3CloseReachesAReceiverThatWaits(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		if r.has > 0 {
			r.receive(0, r.has-1)
		}
		got := r.recv(r.Context())
		synctest.Wait()
		select {
		case res := <-got: // the last value
			require.Equal(r, result{r.has - 1, nil}, res)
			got = r.recv(r.Context())
			synctest.Wait()
		default:
		}
		require.NoError(r, r.s.Close())
		res := <-got
		if res.err == nil { // what a Batch held
			require.Equal(r, r.has-1, res.v)
			_, res.err = r.s.Recv(r.Context())
		}
		require.ErrorIs(r, res.err, net.ErrClosed)
		require.True(r, r.w.isClosed())
	})
}

func TestG1AnUpstreamThatIsClosedFromElsewhereEndsTheStream(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		if r.has > 0 {
			r.receive(0, 1)
		}
		got := r.recv(r.Context())
		synctest.Wait()
		require.NoError(r, r.w.Source.Close())
		res := <-got
		for res.err == nil {
			res.v, res.err = r.s.Recv(r.Context())
		}
		require.ErrorIs(r, res.err, net.ErrClosed)
	})
}

func TestG11TheEndOfItsCtxEndsAStageWithGoroutinesAndClosesUpstream(t *testing.T) {
	everywhere(t, nothing, func(st stage) bool { return st.goroutine }, func(r *run) {
		if r.has > 0 {
			r.receive(0, 1)
		}
		r.end()
		synctest.Wait()
		require.True(r, r.w.isClosed())
		var err error
		for got := 1; err == nil; got++ {
			var v int
			if v, err = r.s.Recv(r.Context()); err == nil {
				require.Equal(r, got, v) // what was ready is not lost
			}
		}
		require.ErrorIs(r, err, context.Canceled)
	})
}

func TestG11NothingIsNeededToEndAStageWithGoroutinesButItsCtx(t *testing.T) {
	everywhere(t, nothing, func(st stage) bool { return st.goroutine }, func(r *run) {
		synctest.Wait() // the deferred cancel has to suffice, whatever they are at
	})
}

func TestG16APanicOfTheUsersFunction(t *testing.T) {
	boom := func(v int) {
		if v == 2 {
			panic(errBoom)
		}
	}
	everywhere(t, boom, func(st stage) bool { return st.hasFunc }, func(r *run) {
		if r.has == 0 {
			return
		}
		var err error
		func() {
			defer func() {
				if v := recover(); v != nil {
					require.Equal(r, errBoom, v)
					err = r.s.Err()
				}
			}()
			for got := 0; err == nil; got++ {
				var v int
				if v, err = r.s.Recv(r.Context()); err == nil {
					require.Equal(r, got, v)
					require.Less(r, got, 2)
				}
			}
		}()
		var p *chanio.PanicError
		require.ErrorAs(r, err, &p)
		require.ErrorIs(r, err, errBoom)
		require.NotEmpty(r, p.Stack)
		_, again := r.s.Recv(r.Context())
		require.ErrorIs(r, again, errBoom)
		synctest.Wait()
		require.True(r, r.w.isClosed())
	})
}

func TestG3CloseAndRecvAtTheSameTime(t *testing.T) {
	everywhere(t, nothing, all, func(r *run) {
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- r.s.Close() }()
		}
		for {
			_, err := r.s.Recv(r.Context())
			if err != nil {
				require.ErrorIs(r, err, net.ErrClosed)
				break
			}
		}
		require.NoError(r, errors.Join(<-closed, <-closed))
	})
}

// A stage reports a value as at hand if it need not wait for one, and takes nothing otherwise.
func TestReadinessPassesThroughEveryStage(t *testing.T) {
	for _, st := range stages {
		t.Run(st.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w := watch[int]()
				s := st.make(ctx, w.Source, nothing)
				for i := range 10 {
					_, ok, err := s.TryRecv()
					require.NoError(t, err)
					require.False(t, ok)
					w.in <- 2 * i
					w.in <- 2*i + 1
					got := 2 * i
					if i == 0 { // the first Recv may be what begins
						v, err := s.Recv(ctx)
						require.NoError(t, err)
						require.Zero(t, v)
						got++
					}
					for got < 2*i+2 {
						if v, ok, err := s.TryRecv(); ok {
							require.Equal(t, got, v)
							got++
						} else {
							require.NoError(t, err)
							time.Sleep(time.Second / 2) // a timed stage needs its time, the others goroutines
							synctest.Wait()
						}
					}
				}
				w.fail <- errBoom
				synctest.Wait()
				_, ok, err := s.TryRecv()
				if err == nil && !ok { // Retry leaves failures to Recv
					_, err = s.Recv(ctx)
				}
				require.ErrorIs(t, err, errBoom)
			})
		})
	}
}
