package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// endedWith returns a ctx that has ended with a cause.
func endedWith(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}

// A ctx whose cause is io.EOF, as that of an errgroup may be, ends no stream: each consumer says that ctx ended, and takes
// up again with another.
func TestACauseThatLooksLikeAnEndIsNone(t *testing.T) {
	for _, cause := range []error{io.EOF, net.ErrClosed} {
		ctx := endedWith(cause)
		keep := func(int) error { return nil }
		for name, consume := range map[string]func(context.Context, src) error{
			"Connect":    func(ctx ctxt, s src) error { return pipeline.Connect(ctx, s, newSink(9).Sink) },
			"ConnectVia": func(ctx ctxt, s src) error { return pipeline.ConnectVia(ctx, s, newSink(9).Sink, via) },
			"ForEach":    func(ctx ctxt, s src) error { return pipeline.ForEach(ctx, s, keep) },
			"Collect":    func(ctx ctxt, s src) error { _, err := pipeline.Collect(ctx, s); return err },
			"Reduce":     func(ctx ctxt, s src) error { _, err := pipeline.Reduce(ctx, s, 0, max0); return err },
		} {
			w := watch(1)
			require.ErrorIs(t, consume(ctx, w.Source), context.Canceled, name)
			w.fail <- io.EOF
			require.NoError(t, consume(t.Context(), w.Source), name)
		}
		for _, st := range stages {
			synctest.Test(t, func(t *testing.T) {
				own, cancel := context.WithCancel(t.Context())
				defer cancel()
				s := st.make(own, watch(1, 2).Source, nothing)
				_, err := s.Recv(ctx)
				require.ErrorIs(t, err, context.Canceled, st.name)
				v, err := s.Recv(t.Context())
				require.NoError(t, err, st.name)
				require.Equal(t, 1, v, st.name)
				require.NoError(t, s.Close())
			})
		}
		for name, stage := range hops { // whose ctx ends them for good, but not cleanly
			synctest.Test(t, func(t *testing.T) {
				own, cancel := context.WithCancelCause(t.Context())
				s := stage(own, watch[int]().Source)
				cancel(cause)
				_, err := s.Recv(t.Context())
				require.ErrorIs(t, err, context.Canceled, name)
			})
		}
	}
}

func via(ctx context.Context, v int, dst *chanio.Sink[int]) error { return dst.Send(ctx, v) }

// A function that returns the cause of its ctx does not end the stream, whatever the cause is.
func TestAFunctionThatReturnsTheCauseOfItsCtxSaysThatItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		k := newSink(9)
		err := pipeline.ConnectVia(ctx, of(1), k.Sink, func(ctx context.Context, _ int, _ *chanio.Sink[int]) error {
			cancel(io.EOF)
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, k.closes)

		ctx, cancel = context.WithCancelCause(t.Context())
		err = pipeline.ForEachConcurrent(ctx, of(1), 1, func(ctx context.Context, _ int) error {
			cancel(io.EOF)
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestConcatKeepsItsPlaceWhenACauseLooksLikeAnEnd(t *testing.T) {
	a, in := chanio.PipeOf[int](1)
	s := pipeline.Concat(a, chanio.FromSlice([]int{2}))
	_, err := s.Recv(endedWith(io.EOF))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, in.Send(t.Context(), 1))
	v, err := s.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, v)
}

// refusing is a writer that takes nothing.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errBoom }

func TestKeepSourceKeepsTheBytesThatWereNotAccepted(t *testing.T) {
	s := chanio.FromReader(strings.NewReader("hello"))
	dst := chanio.NewSink(chanio.SinkHooks[[]byte]{
		Send: func(context.Context, []byte) error { return errBoom },
	})
	err := pipeline.ConnectWith(t.Context(), s, dst, &pipeline.ConnectConfig{KeepSource: true})
	require.ErrorIs(t, err, errBoom)
	p, err := s.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, "hello", string(p))

	s = chanio.FromReader(strings.NewReader("hello"))
	_ = pipeline.ConnectWith(t.Context(), s, chanio.ToWriter(refusing{}), &pipeline.ConnectConfig{KeepSource: true})
	require.NoError(t, s.Close())
}

func TestAnOpenThatReturnsEOFIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := pipeline.Retry(func(context.Context) (src, error) {
			if n++; n == 1 {
				return nil, io.EOF // the peer cut off a handshake
			}
			return of(7), nil
		}, nil)
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7, v)

		s = pipeline.Retry(func(context.Context) (src, error) { return nil, io.EOF }, &pipeline.RetryConfig{Attempts: 2})
		_, err = s.Recv(t.Context())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestZipEndsWithTheOneThatHasEndedThoughTheOtherIsIdle(t *testing.T) {
	add := func(a, b int) int { return a + b }
	for _, idleFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			idle, ending := watch[int](), watch[int]()
			var s src
			if !idleFirst {
				s = pipeline.Zip(ending.Source, idle.Source, add)
			} else {
				s = pipeline.Zip(idle.Source, pipeline.Map(ending.Source, inc), add)
				go func() { // while the receiver waits
					time.Sleep(time.Hour)
					ending.fail <- io.EOF
				}()
			}
			if !idleFirst {
				ending.fail <- io.EOF
			}
			start := time.Now()
			_, err := s.Recv(t.Context())
			require.Equal(t, io.EOF, err)
			require.Less(t, time.Since(start)%time.Hour, time.Second)
			require.True(t, idle.isClosed())
		})
	}
	synctest.Test(t, func(t *testing.T) { // what waits for its partner is put back by a cancel
		a, b := watch(1), watch[int]()
		s := pipeline.Zip(a.Source, b.Source, add)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := s.Recv(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, ok, err := s.TryRecv()
			require.NoError(t, err)
			require.False(t, ok)
		}
		b.in <- 10
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, 11, v)
		require.NoError(t, s.Close())
	})
}

func TestBatchByIsBoundedWhateverItsMetricReturns(t *testing.T) {
	for _, weight := range []int{0, -5} {
		s := pipeline.BatchBy(ints(), func(int) int { return weight }, 3, 0)
		v, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{0, 1, 2}, v)
	}
	s := pipeline.BatchBy(of(1, math.MaxInt, 2, 3), func(v int) int { return v }, 5, 0)
	got, err := pipeline.Collect(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, [][]int{{1}, {math.MaxInt}, {2, 3}}, got)
}

func TestAHugeBurstDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := pipeline.Throttle(ints(), time.Hour, math.MaxInt)
		for range 1000 {
			_, err := s.Recv(t.Context())
			require.NoError(t, err)
		}
		require.Zero(t, time.Since(start))
		s = pipeline.Throttle(ints(), time.Hour, 2)
		for range 3 {
			_, err := s.Recv(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, time.Hour, time.Since(start))
	})
}

func TestAHugeNumberOfWorkersCostsNothingUntilTheyAreNeeded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := pipeline.MapConcurrent(t.Context(), of(1, 2, 3), math.MaxInt, sameCtx(nothing))
	got, err := drain(t, s)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, got)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// A stage that has ended or was closed leaves neither a timer nor a child of the receiver's ctx behind.
func TestATimedStageReleasesItsTimerAtItsEnd(t *testing.T) {
	for name, stage := range map[string]func(src) src{
		"Timeout": func(s src) src { return pipeline.Timeout(s, 24*time.Hour) },
		"Batch":   func(s src) src { return pipeline.Flatten(pipeline.Batch(s, 9, 24*time.Hour)) },
		"Window":  func(s src) src { return pipeline.FlatMap(pipeline.Window(s, 24*time.Hour, 9), spanned) },
		"Zip":     func(s src) src { return pipeline.Zip(pipeline.Drop(s, 1), watch[int]().Source, max0) },
		"Throttle": func(s src) src {
			return pipeline.Throttle(pipeline.FlatMap(s, func(v int) []int { return []int{v, v} }), 24*time.Hour, 1)
		},
		"PartitionBy": func(s src) src { return pipeline.ConcatAll(pipeline.PartitionBy(s, one(nothing))) },
		"parts": func(s src) src {
			return pipeline.MapErr(pipeline.PartitionBy(s, one(nothing)), func(part src) (int, error) {
				return part.Recv(context.Background()) // and not to its end
			})
		},
		"Retry": func(s src) src { return pipeline.Retry(func(ctxt) (src, error) { return s, nil }, nil) },
	} {
		for _, closed := range []bool{true, false} {
			if name == "parts" && !closed {
				continue // they wait for somebody to read a part to its end
			}
			t.Run(fmt.Sprint(name, closed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { releases(t, stage, closed) })
			})
		}
	}
}

func releases(t *testing.T, stage func(src) src, closed bool) {
	counted := &children{Context: t.Context(), done: make(chan struct{})}
	w := watch(1)
	s := stage(w.Source)
	recv := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Recv(counted); err != nil {
				recv <- err
				return
			}
		}
	}()
	synctest.Wait()
	require.Positive(t, counted.n.Load())
	if closed {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-recv, net.ErrClosed)
	} else {
		w.fail <- io.EOF
		require.Equal(t, io.EOF, <-recv)
	}
	synctest.Wait()
	require.Zero(t, counted.n.Load())
}

// children is a ctx that counts the contexts derived from it that have not been released.
type children struct {
	context.Context
	done chan struct{}
	n    atomic.Int64
}

// Done is another channel than that of Context, so that package context asks for AfterFunc.
func (c *children) Done() <-chan struct{} { return c.done }

func (c *children) AfterFunc(f func()) (stop func() bool) {
	c.n.Add(1)
	stopped := context.AfterFunc(c.Context, f)
	var once atomic.Bool
	return func() bool {
		if !once.Swap(true) {
			c.n.Add(-1)
		}
		return stopped()
	}
}

// kinds is an error that cannot be compared, as go/scanner.ErrorList is.
type kinds []error

func (kinds) Error() string { return "of several kinds" }

func TestAnErrorThatCannotBeComparedEndsAStreamLikeAnother(t *testing.T) {
	for _, st := range stages {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			w := watch[int]()
			s := st.make(ctx, w.Source, nothing)
			w.fail <- kinds{errBoom}
			_, err := s.Recv(t.Context())
			var several kinds
			require.ErrorAs(t, err, &several, st.name)
			cancel(kinds{})
		})
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			s := st.make(t.Context(), watch[int]().Source, nothing)
			time.AfterFunc(time.Second, func() { cancel(kinds{}) })
			_, err := s.Recv(ctx)
			var several kinds
			require.ErrorAs(t, err, &several, st.name)
			require.NoError(t, s.Close())
		})
	}
	err := pipeline.ForEach(t.Context(), of(1), func(int) error { return kinds{} })
	require.Error(t, err)
}

// The hook that takes over a value is user code: a fault in it ends only the stream.
func TestAPanicInUndeliveredIsTheFailureOfTheStage(t *testing.T) {
	for _, end := range []func(){func() { panic("of the hook") }, runtime.Goexit} {
		for name, stage := range map[string]func(ctxt, src) src{
			"Buffer": func(ctx ctxt, s src) src { return pipeline.Buffer(ctx, s, 1, pipeline.DropNewest) },
			"MapConcurrent": func(ctx ctxt, s src) src {
				return pipeline.MapConcurrent(ctx, s, 1, func(context.Context, int) (int, error) { return 0, errBoom })
			},
			"Merge": func(ctx ctxt, s src) src { return pipeline.Merge(ctx, s, from[int](errBoom)) },
		} {
			synctest.Test(t, func(t *testing.T) {
				w := watch(upto(9)...)
				s := stage(t.Context(), chanio.NewSource(chanio.SourceHooks[int]{
					Next: w.next, Close: func() error { close(w.closed); return nil },
					Undelivered: func(int) { end() },
				}))
				synctest.Wait()
				_, err := pipeline.Collect(t.Context(), s)
				require.Error(t, err, name)
				synctest.Wait()
			})
		}
	}
}

// Senders that wait for one queue are all woken by its end.
func TestTheEndOfAQueueWakesAllItsSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many []src
		for range 5 {
			many = append(many, watch(upto(9)...).Source)
		}
		s := pipeline.MergeWith(t.Context(), many, &pipeline.MergeConfig{Size: 1})
		synctest.Wait()
		require.NoError(t, s.Close())
		synctest.Wait() // and synctest.Test returns: no goroutine is left
	})
}

// owner is a source of values that must be closed: it knows which came back.
type owner struct {
	src
	made, back atomic.Int64
}

func newOwner(n int) *owner {
	o := &owner{}
	closed := make(chan struct{})
	o.src = chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(ctx context.Context) (v int, err error) {
			if ctx.Err() != nil {
				return v, chanio.Cause(ctx)
			}
			if int(o.made.Load()) < n {
				return int(o.made.Add(1)), nil
			}
			select {
			case <-closed:
				return v, net.ErrClosed
			case <-ctx.Done():
				return v, chanio.Cause(ctx)
			}
		},
		Close:       func() error { close(closed); return nil },
		Undelivered: func(int) { o.back.Add(1) },
	})
	return o
}

// Whatever a stage holds when its receiver leaves goes back to the owner that it came from.
func TestWhatAStageHoldsGoesBackToItsOwner(t *testing.T) {
	for name, stage := range map[string]func(ctxt, src) src{
		"Throttle": func(_ ctxt, s src) src { return pipeline.Throttle(s, time.Hour, 1) },
		"Batch":    func(_ ctxt, s src) src { return flattened(pipeline.Batch(s, 4, 0)) },
		"BatchBy":  func(_ ctxt, s src) src { return flattened(pipeline.BatchBy(s, one(nothing), 4, time.Hour)) },
		"Window":   func(_ ctxt, s src) src { return pipeline.FlatMap(pipeline.Window(s, time.Hour, 9), spanned) },
		"Flatten":  func(_ ctxt, s src) src { return pipeline.Flatten(pipeline.ReadyChunks(s, 3)) },
		"Zip":      func(_ ctxt, s src) src { return pipeline.Zip(s, watch[int]().Source, max0) },
		"Retry": func(_ ctxt, s src) src {
			return pipeline.Throttle(pipeline.Retry(func(ctxt) (src, error) { return s, nil }, nil), time.Hour, 1)
		},
		"Concat":    func(_ ctxt, s src) src { return pipeline.Throttle(pipeline.Concat(of[int](), s), time.Hour, 1) },
		"ConcatAll": func(_ ctxt, s src) src { return pipeline.Throttle(pipeline.ConcatAll(of(s)), time.Hour, 1) },
		"PartitionBy": func(_ ctxt, s src) src {
			return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { return v }))
		},
		"TakeWhile": func(_ ctxt, s src) src { return pipeline.TakeWhile(s, below(2)) },
		"Filter":    func(_ ctxt, s src) src { return pipeline.Throttle(pipeline.Filter(s, below(99)), time.Hour, 1) },
		"Buffer":    func(ctx ctxt, s src) src { return pipeline.Throttle(pipeline.Buffer(ctx, s, 3, 0), time.Hour, 1) },
		"a Filter above a Buffer that drops": func(ctx ctxt, s src) src {
			return pipeline.Buffer(ctx, pipeline.Filter(s, below(99)), 2, pipeline.DropOldest)
		},
		"Merge": func(ctx ctxt, s src) src { return pipeline.Merge(ctx, s, newOwner(3).src) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOwner(6)
				s := stage(t.Context(), o.src)
				received := 0
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if _, err := s.Recv(ctx); err == nil {
						received++
					}
					cancel()
				}
				synctest.Wait()
				require.NoError(t, s.Close())
				synctest.Wait()
				if name == "Merge" { // of two owners: what was received may be of the other
					require.LessOrEqual(t, o.made.Load()-o.back.Load(), int64(received))
					return
				}
				require.Equal(t, o.made.Load(), o.back.Load()+int64(received))
			})
		})
	}
}

func TestAValueThatAStageDropsGoesBackToItsOwner(t *testing.T) {
	for name, stage := range map[string]func(src) src{
		"Filter":      func(s src) src { return pipeline.Filter(s, func(v int) bool { return v%3 == 1 }) },
		"DropWhile":   func(s src) src { return pipeline.DropWhile(s, below(3)) },
		"CompactFunc": func(s src) src { return pipeline.CompactFunc(s, func(a, b int) bool { return a/4 == b/4 }) },
	} {
		o := newOwner(4)
		got, err := pipeline.Collect(t.Context(), pipeline.Take(stage(o.src), 2))
		require.NoError(t, err, name)
		require.EqualValues(t, o.made.Load(), int64(len(got))+o.back.Load(), name)
	}
	o := newOwner(4)
	v, err := pipeline.Drop(o.src, 3).Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, v)
	require.EqualValues(t, 3, o.back.Load())
}

func TestAValueForWhichAFunctionPanicsGoesBackToItsOwner(t *testing.T) {
	for _, stage := range stages {
		switch stage.name {
		case "Filter", "Tap", "CompactFunc", "TakeWhile", "BatchBy", "PartitionBy", "BufferBy":
		default:
			continue // a function that makes something of the value is responsible for it
		}
		for _, first := range []int{1, 3} {
			t.Run(fmt.Sprint(stage.name, " of ", first), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { panicFrom(t, first, stage) })
			})
		}
	}
}

// panicFrom leads values through a stage whose function panics from the first on.
func panicFrom(t *testing.T, first int, stage stage) {
	o := newOwner(4)
	s := stage.make(t.Context(), o.src, func(v int) {
		if v >= first {
			panic(errBoom)
		}
	})
	received := int64(0)
	recv := func() (err error) {
		defer func() { _ = recover() }() // the end of the stream is what matters
		if _, err = s.Recv(t.Context()); err == nil {
			received++
		}
		return err
	}
	for recv() == nil {
	}
	var crash *chanio.PanicError
	require.ErrorAs(t, s.Err(), &crash)
	require.NoError(t, s.Close())
	synctest.Wait()
	require.GreaterOrEqual(t, o.made.Load(), int64(first))
	require.Equal(t, o.made.Load(), received+o.back.Load())
}

// Compact drops a value only because it is the one that was passed on, which has its receiver.
func TestCompactHandsNoReceivedValueToItsOwner(t *testing.T) {
	up := from(io.EOF, 1, 1, 2).Claim("a test")
	s := pipeline.Compact(chanio.NewSource(chanio.SourceHooks[int]{
		Next:        up.Next,
		Undelivered: func(v int) { t.Errorf("%d is closed", v) },
	}))
	got, err := pipeline.Collect(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, got)
}

func TestAValueOfATeeGoesBackOnlyIfNoBranchAcceptedIt(t *testing.T) {
	small, large := &pipeline.Queue[int]{Size: 1}, &pipeline.Queue[int]{Size: 2}
	synctest.Test(t, func(t *testing.T) { // none has room for the second value, and they close
		o := newOwner(3)
		for _, out := range pipeline.TeeWith(t.Context(), o.src, small, small) {
			synctest.Wait()
			require.NoError(t, out.Close())
		}
		synctest.Wait()
		require.EqualValues(t, 2, o.made.Load())
		require.EqualValues(t, 1, o.back.Load())
	})
	synctest.Test(t, func(t *testing.T) { // one branch has the second value, and ctx ends
		o := newOwner(3)
		ctx, cancel := context.WithCancel(t.Context())
		outs := pipeline.TeeWith(ctx, o.src, small, large)
		synctest.Wait()
		cancel()
		got, err := drain(t, outs[1])
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []int{1, 2}, got)
		require.EqualValues(t, 2, o.made.Load())
		require.Zero(t, o.back.Load())
	})
}

func flattened(s *chanio.Source[[]int]) src { return pipeline.Flatten(s) }

func TestConnectGivesBackWhatItHoldsWhenTheSinkPanics(t *testing.T) {
	o := newOwner(3)
	dst := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error { panic(errBoom) }})
	require.PanicsWithError(t, "boom", func() { _ = pipeline.Connect(t.Context(), o.src, dst) })
	require.NoError(t, o.src.Close())
	require.Equal(t, o.made.Load(), o.back.Load())
}

func TestReadyChunksNeverWaitForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(upto(5)...)
		s := pipeline.ReadyChunks(pipeline.Map(w.Source, func(v int) int {
			if v == 7 {
				panic(errBoom)
			}
			return v
		}), 3)
		for _, want := range [][]int{{0, 1, 2}, {3, 4}} {
			got, err := s.Recv(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, ok, err := s.TryRecv()
		require.NoError(t, err)
		require.False(t, ok)
		w.in <- 6
		w.in <- 7
		got, err := s.Recv(t.Context()) // what was taken before a panic comes first
		require.NoError(t, err)
		require.Equal(t, []int{6}, got)
		require.PanicsWithError(t, "boom", func() { _, _ = s.Recv(t.Context()) })
		var crash *chanio.PanicError
		_, err = s.Recv(t.Context())
		require.ErrorAs(t, err, &crash)
	})
}

// A value that a function made is sent before the next is made.
func TestConnectSendsAValueBeforeItMakesTheNext(t *testing.T) {
	var order []string
	dst := chanio.NewSink(chanio.SinkHooks[int]{Send: func(context.Context, int) error {
		order = append(order, "send")
		return nil
	}})
	s := pipeline.Map(watchEnded(1, 2, 3), func(v int) int { order = append(order, "make"); return v })
	require.NoError(t, pipeline.Connect(t.Context(), s, dst))
	require.Equal(t, []string{"make", "send", "make", "send", "make", "send"}, order)
}

// watchEnded is a watched Source that ends after the values.
func watchEnded(values ...int) src {
	w := watch(values...)
	w.fail <- io.EOF
	return w.Source
}

func TestConnectMovesWhatNeedsNoFunctionManyAtATime(t *testing.T) {
	var sizes []int
	dst := chanio.NewSink(chanio.SinkHooks[int]{
		Send: func(context.Context, int) error { sizes = append(sizes, 1); return nil },
		SendAll: func(_ context.Context, vs []int) (int, error) {
			sizes = append(sizes, len(vs))
			return len(vs), nil
		},
	})
	s := pipeline.Named(pipeline.Take(pipeline.Timeout(watchEnded(upto(1000)...), time.Hour), 500), "x")
	require.NoError(t, pipeline.Connect(t.Context(), s, dst))
	require.Less(t, len(sizes), 500/32)
	require.EqualValues(t, 500, s.Describe().Passed)
}

func TestAConsumerHeedsItsCtxWhileAnEarlierOneLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, release := of(1, 2), make(chan struct{})
		s := pipeline.Map(stuck, func(v int) int { <-release; return v })
		first, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := s.Recv(first); done <- err }()
		synctest.Wait()
		cancel()
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, pipeline.Connect(late, s, newSink(1).Sink), context.DeadlineExceeded)
		_, err := pipeline.Collect(late, s)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)
		require.NoError(t, <-done)
		got, err := pipeline.Collect(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, []int{2}, got)
	})
}

// A branch that is closed while the others wait with it for room takes nothing from them.
func TestABranchThatIsClosedWhileAValueWaitsCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := &pipeline.Queue[int]{Size: 1}
		outs := pipeline.TeeWith(t.Context(), watchEnded(1, 2, 3), small, small, small)
		synctest.Wait() // the second value waits for all of them
		require.NoError(t, outs[0].Close())
		got := make(chan []int, 2)
		for _, out := range outs[1:] {
			go func() {
				all, err := pipeline.Collect(t.Context(), out)
				require.NoError(t, err)
				got <- all
			}()
		}
		require.Equal(t, []int{1, 2, 3}, <-got)
		require.Equal(t, []int{1, 2, 3}, <-got)
	})
}

func TestAPartThatIsClosedHalfWayIsDroppedWithoutAWait(t *testing.T) {
	w := watch(1, 1, 1, 2)
	parts := pipeline.PartitionBy(w.Source, func(v int) int { return v })
	first, err := parts.Recv(t.Context())
	require.NoError(t, err)
	_, ok, err := parts.TryRecv()
	require.NoError(t, err)
	require.False(t, ok, "the first part has not ended")
	require.NoError(t, first.Close())
	second, ok, err := parts.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	v, ok, err := second.TryRecv()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 2, v)

	ctx, cancel := context.WithCancel(t.Context()) // which a source that never waits does not look at
	parts = pipeline.PartitionBy(ints(), func(v int) bool {
		if v == 1000 {
			cancel()
		}
		return true
	})
	first, err = parts.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	_, err = parts.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// A key that differs from itself makes a part of each value, and no part without values.
func TestAPartHasItsFirstValueWhateverItsKeyIs(t *testing.T) {
	nan := math.NaN()
	parts := pipeline.PartitionBy(of(1, nan, nan, 2, 2), func(v float64) float64 { return v })
	var sizes []int
	require.NoError(t, pipeline.ForEach(t.Context(), parts, func(part *chanio.Source[float64]) error {
		all, err := pipeline.Collect(t.Context(), part)
		sizes = append(sizes, len(all))
		return err
	}))
	require.Equal(t, []int{1, 1, 1, 2}, sizes)
}

// Close reaches a receiver that waits for a time, and the value that waits with it is returned to its owner.
func TestG3CloseReachesAReceiverThatWaitsForAMoment(t *testing.T) {
	for name, stage := range map[string]func(src) src{
		"Throttle": func(s src) src { return pipeline.Throttle(s, time.Hour, 1) },
		"Window":   func(s src) src { return pipeline.FlatMap(pipeline.Window(s, time.Hour, 1), spanned) },
		"Batch":    func(s src) src { return flattened(pipeline.Batch(s, 3, time.Hour)) },
		"Timeout":  func(s src) src { return pipeline.Timeout(pipeline.Drop(s, 9), time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := stage(newOwner(2).src)
			done := make(chan error)
			go func() {
				for {
					if _, err := s.Recv(t.Context()); err != nil {
						done <- err
						return
					}
				}
			}()
			synctest.Wait()
			require.NoError(t, s.Close())
			require.ErrorIs(t, <-done, net.ErrClosed, name)
			require.Zero(t, time.Since(start), name)
		})
	}
}

// A value that is held between two calls keeps its place, its weight and its time, even if it must be closed.
func TestABatchOfOwnedValuesKeepsItsDelayAndItsWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(5)
		s := pipeline.BatchBy(o.src, func(v int) int { return v }, 100, 100*time.Millisecond)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			_, err := s.Recv(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, ok, err := s.TryRecv()
			require.NoError(t, err)
			require.False(t, ok)
		}
		start := time.Now()
		got, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{1, 2, 3, 4, 5}, got)
		require.Equal(t, 10*time.Millisecond, time.Since(start))
		require.NoError(t, s.Close())
		require.Zero(t, o.back.Load())
	})
}

// A context of the user is called without a lock of the stage: it may close the stage.
func TestAContextMayCloseTheStageThatItBounds(t *testing.T) {
	for name, stage := range map[string]func(src) src{
		"Timeout": func(s src) src { return pipeline.Timeout(s, time.Hour) },
		"PartitionBy": func(s src) src {
			return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { return v }))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := stage(watch(1).Source)
			ctx := &calling{children: children{Context: t.Context(), done: make(chan struct{})}}
			_, err := s.Recv(ctx)
			require.NoError(t, err, name)
			ctx.f = func() { _ = s.Close() }
			_, err = s.Recv(&calling{children: children{Context: t.Context(), done: make(chan struct{})}, f: ctx.f})
			require.ErrorIs(t, err, net.ErrClosed, name)
		})
	}
}

// calling is a ctx that calls f when something is derived from it.
type calling struct {
	children
	f func()
}

func (c *calling) AfterFunc(f func()) (stop func() bool) {
	if c.f != nil {
		c.f()
	}
	return c.children.AfterFunc(f)
}

// Values of two owners that a stage holds together are received or given back, each once.
func TestValuesOfTwoOwnersAreReceivedOrGivenBack(t *testing.T) {
	for name, join := range map[string]func(ctxt, src, src) src{
		"Merge":  func(ctx ctxt, a, b src) src { return pipeline.Merge(ctx, a, b) },
		"Concat": func(_ ctxt, a, b src) src { return pipeline.Concat(pipeline.Take(a, 3), b) },
		"ConcatAll": func(_ ctxt, a, b src) src {
			return pipeline.ConcatAll(holding(pipeline.Take(a, 3), b))
		},
	} {
		for _, received := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, received), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := newOwner(5), newOwner(5)
					s := pipeline.Batch(join(t.Context(), a.src, b.src), 4, 0)
					got := 0
					for range received {
						batch, err := s.Recv(t.Context())
						require.NoError(t, err)
						got += len(batch)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					for {
						batch, err := s.Recv(ctx) // until the batch is not full
						if err != nil {
							break
						}
						got += len(batch)
					}
					synctest.Wait()
					require.NoError(t, s.Close())
					synctest.Wait()
					made, back := a.made.Load()+b.made.Load(), a.back.Load()+b.back.Load()
					require.Equal(t, made, int64(got)+back)
				})
			})
		}
	}
}

// A Close hook that panics when Take has its last value loses neither that value nor those before it.
func TestTakeLosesNothingToACloseThatPanics(t *testing.T) {
	for _, receive := range []func(src, *atomic.Int64) error{
		func(s src, got *atomic.Int64) error {
			return pipeline.ForEach(t.Context(), s, func(int) error { got.Add(1); return nil })
		},
		func(s src, got *atomic.Int64) error {
			return pipeline.Connect(t.Context(), s, chanio.NewSink(chanio.SinkHooks[int]{
				Send:    func(context.Context, int) error { got.Add(1); return nil },
				SendAll: func(_ context.Context, vs []int) (int, error) { got.Add(int64(len(vs))); return len(vs), nil },
				Close:   func() error { return nil },
			}))
		},
	} {
		var made, got, back atomic.Int64
		next := func() int { return int(made.Add(1)) }
		s := pipeline.Take(chanio.NewSource(chanio.SourceHooks[int]{
			Next: func(context.Context) (int, error) { return next(), nil },
			AtHand: func(dst []int) []int {
				for len(dst) < cap(dst) {
					dst = append(dst, next())
				}
				return dst
			},
			Close:       func() error { panic("of the hook") },
			Undelivered: func(int) { back.Add(1) },
		}), 7)
		func() {
			defer func() { _ = recover() }() // in this goroutine the panic goes on
			require.Error(t, receive(s, &got))
		}()
		_ = s.Close()
		require.EqualValues(t, 6, got.Load())
		require.Equal(t, made.Load(), got.Load()+back.Load())
	}
}
