package pipeline_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func inc(v int) int { return v + 1 }

func benchmark[T any](b *testing.B, s *chanio.Source[T]) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFused measures every stage that works in the goroutine of its receiver. ByHand is a stage of one goroutine
// and two channels, for comparison.
func BenchmarkFused(b *testing.B) {
	rows := fusedRows()
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		b.Run(name, func(b *testing.B) { benchmark(b, rows[name](ints())) })
	}
	b.Run("ByHand", func(b *testing.B) {
		benchmarkChannel(b, func(ctx context.Context) (<-chan int, func()) {
			in, out := make(chan int, 128), make(chan int, 128)
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; send(ctx, in, i); i++ {
				}
			})
			wg.Go(func() {
				for v := 0; recv(ctx, in, &v) && send(ctx, out, inc(v)); {
				}
			})
			return out, wg.Wait
		})
	})
}

func fusedRows() map[string]func(src) src {
	const many = 1 << 30
	return map[string]func(src) src{
		"0":      func(s src) src { return s },
		"Map":    func(s src) src { return pipeline.Map(s, inc) },
		"Tap":    func(s src) src { return pipeline.Tap(s, nothing) },
		"Filter": func(s src) src { return pipeline.Filter(s, below(many)) },
		"FilterMap": func(s src) src {
			return pipeline.FilterMap(s, func(v int) (int, bool) { return v, true })
		},
		"MapErr": func(s src) src {
			return pipeline.MapErr(s, func(v int) (int, error) { return v, nil })
		},
		"FlatMap": func(s src) src {
			one := make([]int, 1)
			return pipeline.FlatMap(s, func(v int) []int { one[0] = v; return one })
		},
		"Take":      func(s src) src { return pipeline.Take(s, many) },
		"TakeWhile": func(s src) src { return pipeline.TakeWhile(s, below(many)) },
		"Drop":      func(s src) src { return pipeline.Drop(s, 1) },
		"DropWhile": func(s src) src { return pipeline.DropWhile(s, below(1)) },
		"Scan": func(s src) src {
			return pipeline.Scan(s, 0, func(a, v int) int { return a + v })
		},
		"Compact": func(s src) src { return pipeline.Compact(s) },
		"Concat":  func(s src) src { return pipeline.Concat(s) },
		"Zip": func(s src) src {
			return pipeline.Zip(s, ints(), func(a, b int) int { return a + b })
		},
		"Transform": func(s src) src {
			return pipeline.Transform(s, func(v int, emit func(int)) error { emit(v); return nil }, nil)
		},
		"PartitionBy64": func(s src) src {
			return pipeline.ConcatAll(pipeline.PartitionBy(s, func(v int) int { return v / 64 }))
		},
		"Batch64Flatten": func(s src) src { return pipeline.Flatten(pipeline.Batch(s, 64, 0)) },
		"Batch64WithDelayFlatten": func(s src) src {
			return pipeline.Flatten(pipeline.Batch(s, 64, time.Millisecond))
		},
		"Throttle": func(s src) src { return pipeline.Throttle(s, 1, 1<<30) },
		"Timeout":  func(s src) src { return pipeline.Timeout(s, time.Second) },
		"Retry": func(s src) src {
			return pipeline.Retry(func(context.Context) (src, error) { return s, nil }, nil)
		},
		"Named": func(s src) src { return pipeline.Named(s, "a name") },
		"5Maps": func(s src) src {
			for range 5 {
				s = pipeline.Map(s, inc)
			}
			return s
		},
	}
}

// BenchmarkRollup measures how many values go into a span of the clock: an op is a span.
func BenchmarkRollup(b *testing.B) {
	values := 0
	benchmark(b, pipeline.Rollup(ints(), time.Millisecond, func() int { return 0 }, func(n, _ int) int {
		values++
		return n + 1
	}))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(values), "ns/value")
}

// BenchmarkConsumers has what takes a stream to its end.
func BenchmarkConsumers(b *testing.B) {
	run := func(name string, consume func(context.Context, src) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			if err := consume(context.Background(), pipeline.Take(ints(), b.N)); err != nil {
				b.Fatal(err)
			}
		})
	}
	run("ForEach", func(ctx context.Context, s src) error {
		return pipeline.ForEach(ctx, s, func(int) error { return nil })
	})
	run("Reduce", func(ctx context.Context, s src) error {
		_, err := pipeline.Reduce(ctx, s, 0, max0)
		return err
	})
	run("Collect", func(ctx context.Context, s src) error {
		_, err := pipeline.Collect(ctx, s)
		return err
	})
	run("Connect", func(ctx context.Context, s src) error {
		hooks := chanio.SinkHooks[int]{Send: func(context.Context, int) error { return nil }}
		return pipeline.Connect(ctx, s, chanio.NewSink(hooks))
	})
	run("ForEachConcurrent4", func(ctx context.Context, s src) error {
		return pipeline.ForEachConcurrent(ctx, s, 4, func(context.Context, int) error { return nil })
	})
}
