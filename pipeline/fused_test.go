package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func isEven(v int) bool { return v%2 == 0 }

func below(n int) func(int) bool { return func(v int) bool { return v < n } }

// show makes a stage's output comparable to that of others.
func show[T any](src *chanio.Source[T]) *chanio.Source[string] {
	return pipeline.Map(src, func(v T) string { return fmt.Sprint(v) })
}

var fused = []struct {
	name  string
	stage func(src) text
	in    []int
	out   []string
	held  int // how many of out come only because the stream ended
}{
	{"Map", func(s src) text { return pipeline.Map(s, strconv.Itoa) }, upto(3),
		[]string{"0", "1", "2"}, 0},
	{"Filter", func(s src) text { return show(pipeline.Filter(s, isEven)) }, upto(5),
		[]string{"0", "2", "4"}, 0},
	{"FilterMap", func(s src) text {
		return pipeline.FilterMap(s, func(v int) (string, bool) { return strconv.Itoa(-v), isEven(v) })
	}, upto(5), []string{"0", "-2", "-4"}, 0},
	{"MapErr", func(s src) text {
		return show(pipeline.MapErr(pipeline.Map(s, strconv.Itoa), strconv.Atoi))
	}, upto(3), []string{"0", "1", "2"}, 0},
	{"Compact", func(s src) text { return show(pipeline.Compact(s)) },
		[]int{0, 0, 1, 1, 1, 0}, []string{"0", "1", "0"}, 0},
	{"CompactFunc", func(s src) text {
		return show(pipeline.CompactFunc(s, func(a, b int) bool { return a%2 == b%2 }))
	}, []int{0, 2, 1, 3, 4}, []string{"0", "1", "4"}, 0},
	{"Take", func(s src) text { return show(pipeline.Take(s, 9)) }, upto(3),
		[]string{"0", "1", "2"}, 0},
	{"TakeWhile", func(s src) text { return show(pipeline.TakeWhile(s, below(9))) },
		upto(3), []string{"0", "1", "2"}, 0},
	{"Drop", func(s src) text { return show(pipeline.Drop(s, 2)) }, upto(4),
		[]string{"2", "3"}, 0},
	{"DropWhile", func(s src) text { return show(pipeline.DropWhile(s, below(2))) },
		[]int{0, 1, 2, 0}, []string{"2", "0"}, 0},
	{"Scan", func(s src) text {
		return show(pipeline.Scan(s, 10, func(a, v int) int { return a + v }))
	}, []int{1, 2, 3}, []string{"10", "11", "13", "16"}, 0},
	{"Tap", func(s src) text { return show(pipeline.Tap(s, func(int) {})) }, upto(2),
		[]string{"0", "1"}, 0},
	{"FlatMap", func(s src) text {
		return show(pipeline.FlatMap(s, func(v int) []int { return upto(v) }))
	}, []int{0, 2, 0, 3}, []string{"0", "1", "0", "1", "2"}, 0},
	{"Flatten", func(s src) text {
		return show(pipeline.Flatten(pipeline.Batch(s, 2, 0)))
	}, upto(3), []string{"0", "1", "2"}, 1},
	{"Transform", func(s src) text { return show(pairs(s)) }, upto(5),
		[]string{"1", "5", "4"}, 1},
	{"Transform to the last value", func(s src) text { return show(pairs(s)) }, upto(4),
		[]string{"1", "5"}, 0},
	{"Batch", func(s src) text { return show(pipeline.Batch(s, 2, 0)) }, upto(5),
		[]string{"[0 1]", "[2 3]", "[4]"}, 1},
	{"BatchBy", func(s src) text {
		return show(pipeline.BatchBy(s, func(v int) int { return v }, 2, 0))
	}, []int{1, 1, 9, 1, 2, 1}, []string{"[1 1]", "[9]", "[1]", "[2]", "[1]"}, 1},
	{"Concat", func(s src) text { return show(pipeline.Concat(of(7), s)) }, upto(2),
		[]string{"7", "0", "1"}, 0},
	{"ConcatAll", func(s src) text {
		return show(pipeline.ConcatAll(pipeline.PartitionBy(s, isEven)))
	}, []int{0, 2, 1, 3, 5, 4}, []string{"0", "2", "1", "3", "5", "4"}, 0},
	{"Zip", func(s src) text {
		return show(pipeline.Zip(ints(), s, func(a, b int) [2]int { return [2]int{a, b} }))
	}, []int{5, 6}, []string{"[0 5]", "[1 6]"}, 0},
	{"Timeout", func(s src) text { return show(pipeline.Timeout(s, 1<<40)) }, upto(2),
		[]string{"0", "1"}, 0},
	{"Throttle", func(s src) text { return show(pipeline.Throttle(s, 1, 1)) }, upto(2),
		[]string{"0", "1"}, 0},
	{"Named", func(s src) text { return show(pipeline.Named(s, "x")) }, upto(2),
		[]string{"0", "1"}, 0},
}

// pairs adds up two values at a time.
func pairs(s *chanio.Source[int]) *chanio.Source[int] {
	var held []int
	return pipeline.Transform(s, func(v int, emit func(int)) error {
		if held = append(held, v); len(held) == 2 {
			emit(held[0] + held[1])
			held = held[:0]
		}
		return nil
	}, func(emit func(int)) {
		for _, v := range held {
			emit(v)
		}
	})
}

func TestWhatTheLastStepEmittedComesBeforeWhatLastEmits(t *testing.T) {
	s := pipeline.Transform(of(1, 2, 3), func(v int, emit func(int)) error {
		emit(v)
		if v == 2 {
			emit(-v)
			return io.EOF
		}
		return nil
	}, func(emit func(int)) { emit(9) })
	got, err := drain(t, s)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, -2, 9}, got)
}

func TestFusedStagesPassOnWhatTheyShould(t *testing.T) {
	for _, stage := range fused {
		t.Run(stage.name, func(t *testing.T) {
			got, err := drain(t, stage.stage(of(stage.in...)))
			require.NoError(t, err)
			require.Equal(t, stage.out, got)
		})
	}
}

func TestG1AFailureComesAfterAllThatWasAcceptedBefore(t *testing.T) {
	for _, stage := range fused {
		t.Run(stage.name, func(t *testing.T) {
			got, err := drain(t, stage.stage(from(errBoom, stage.in...)))
			require.ErrorIs(t, err, errBoom)
			require.Equal(t, stage.out, got)
		})
	}
}

func TestG2ACancelLosesNothingAtAnyValue(t *testing.T) {
	for _, stage := range fused {
		t.Run(stage.name, func(t *testing.T) {
			w := watch[int]()
			s := stage.stage(w.Source)
			ctx, cancel := context.WithCancel(t.Context())
			var got []string
			for _, v := range stage.in { // one at a time: between them a Recv is cancelled, whatever it holds
				w.in <- v
				got = append(got, recvUntilIdle(t, s, w, ctx, cancel)...)
				ctx, cancel = context.WithCancel(t.Context())
			}
			cancel()
			w.fail <- io.EOF
			rest, err := drain(t, s)
			require.NoError(t, err)
			require.Equal(t, stage.out, append(got, rest...))
		})
	}
}

// recvUntilIdle receives until s waits for w, and then cancels.
func recvUntilIdle(
	t *testing.T, s *chanio.Source[string], w *watched[int], ctx context.Context, cancel context.CancelFunc,
) (got []string) {
	t.Helper()
	w.waits = cancel
	defer func() { w.waits = nil }()
	for {
		v, err := s.Recv(ctx)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return got
		}
		got = append(got, v)
	}
}

func TestG3CloseReachesTheProducerThroughEveryStage(t *testing.T) {
	for _, stage := range fused {
		t.Run(stage.name, func(t *testing.T) {
			w := watch[int]()
			s := stage.stage(w.Source)
			require.NoError(t, s.Close())
			require.True(t, w.isClosed())
			_, err := s.Recv(t.Context())
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

func TestG9AStageOwnsItsUpstream(t *testing.T) {
	for _, stage := range fused {
		t.Run(stage.name, func(t *testing.T) {
			w := watch[int]()
			stage.stage(w.Source)
			require.PanicsWithValue(t, "chanio: this Source already has a consumer, "+
				w.Source.Describe().Consumer+"; to give its values to several consumers, use pipeline.Tee", func() {
				_, _ = w.Source.Recv(t.Context())
			})
			require.Contains(t, w.Source.Describe().Consumer, "pipeline.")
		})
	}
}

func TestStagesThatEndEarlyCloseTheirUpstreamAtOnce(t *testing.T) {
	for name, stage := range map[string]func(src) text{
		"Take":      func(s src) text { return show(pipeline.Take(s, 2)) },
		"TakeWhile": func(s src) text { return show(pipeline.TakeWhile(s, below(2))) },
		"Zip": func(s src) text {
			return show(pipeline.Zip(s, of(0, 1), func(a, b int) int { return a }))
		},
		"Transform": func(s src) text {
			return show(pipeline.Transform(s, func(v int, emit func(int)) error {
				if v == 2 {
					return io.EOF
				}
				emit(v)
				return nil
			}, nil))
		},
		"MapErr": func(s src) text {
			return show(pipeline.MapErr(s, func(v int) (int, error) {
				if v == 2 {
					return 0, io.EOF
				}
				return v, nil
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(upto(9)...)
			got, err := drain(t, stage(w.Source))
			require.NoError(t, err)
			require.Equal(t, []string{"0", "1"}, got)
			require.True(t, w.isClosed())
		})
	}
	t.Run("Take closes with the last value", func(t *testing.T) {
		w := watch(1)
		s := pipeline.Take(w.Source, 1)
		_, err := s.Recv(t.Context())
		require.NoError(t, err)
		require.True(t, w.isClosed())
	})
}

func TestG1AnErrorOfTheFunctionEndsTheStreamAndClosesUpstream(t *testing.T) {
	w := watch("1", "x", "3")
	s := pipeline.MapErr(w.Source, strconv.Atoi)
	got, err := drain(t, s)
	require.Equal(t, []int{1}, got)
	require.ErrorIs(t, err, strconv.ErrSyntax)
	require.True(t, w.isClosed())
	_, again := s.Recv(t.Context())
	require.Equal(t, err, again)
}

func TestG2MapErrRepeatsTheValueWhoseCallWasCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	s := pipeline.MapErr(of(1, 2), func(v int) (int, error) {
		if calls++; calls == 1 {
			cancel()
			return 0, ctx.Err()
		}
		return v, nil
	})
	_, err := s.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
	got, err := drain(t, s)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, got)
}

func TestG16APanicPropagatesAndEndsEveryStageBelow(t *testing.T) {
	w := watch(1)
	inner := pipeline.Filter(w.Source, func(int) bool { panic(errBoom) })
	s := pipeline.Take(pipeline.Map(inner, strconv.Itoa), 5)
	require.PanicsWithValue(t, errBoom, func() { _, _ = s.Recv(t.Context()) })
	_, err := s.Recv(t.Context())
	var p *chanio.PanicError
	require.ErrorAs(t, err, &p)
	require.ErrorIs(t, err, errBoom)
	require.True(t, w.isClosed())
}

func TestG16APanicUnderAConsumerEndsTheSource(t *testing.T) {
	for name, consume := range map[string]func(*chanio.Source[int]){
		"ForEach": func(s *chanio.Source[int]) { _ = pipeline.ForEach(t.Context(), s, func(int) error { return nil }) },
		"Collect": func(s *chanio.Source[int]) { _, _ = pipeline.Collect(t.Context(), s) },
		"Connect": func(s *chanio.Source[int]) {
			_ = pipeline.Connect(t.Context(), s, chanio.NewSink(chanio.SinkHooks[int]{
				Send: func(context.Context, int) error { return nil },
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(1)
			s := pipeline.Map(w.Source, func(int) int { panic(errBoom) })
			require.PanicsWithValue(t, errBoom, func() { consume(s) })
			var p *chanio.PanicError
			require.ErrorAs(t, s.Err(), &p)
			require.True(t, w.isClosed())
		})
	}
}

func TestConsumers(t *testing.T) {
	sum, err := pipeline.Reduce(t.Context(), of(1, 2, 3), 0, func(a, v int) int { return a + v })
	require.NoError(t, err)
	require.Equal(t, 6, sum)

	all, err := pipeline.Collect(t.Context(), from(errBoom, 1, 2))
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, []int{1, 2}, all)

	w := watch(1, 2, 3)
	err = pipeline.ForEach(t.Context(), w.Source, func(v int) error {
		if v == 2 {
			return errBoom
		}
		return nil
	})
	require.ErrorIs(t, err, errBoom)
	require.True(t, w.isClosed())
}

func TestG2ACancelledConsumerLeavesTheSourceUsable(t *testing.T) {
	w := watch(1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	err := pipeline.ForEach(ctx, w.Source, func(v int) error {
		if v == 2 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, w.isClosed())
	w.in <- 3
	v, err := w.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, v)
}

func TestMisuseOfAStagePanicsAtConstruction(t *testing.T) {
	for _, c := range misuses() {
		t.Run(c.want, func(t *testing.T) { require.PanicsWithValue(t, c.want, c.call) })
	}
}

// TestFlatMapHeedsItsContextWhileNothingComesOut has an upstream that never waits.
func TestFlatMapHeedsItsContextWhileNothingComesOut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	src := pipeline.FlatMap(chanio.NewSource(chanio.SourceHooks[int]{
		Next: func(context.Context) (int, error) {
			if n++; n == 10 {
				cancel()
			}
			if n > 1000 {
				return 0, io.EOF
			}
			return n, nil
		},
	}), func(int) []int { return nil })
	_, err := src.Recv(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
