package pipeline_test

import (
	"context"
	"testing"

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

func BenchmarkFused(b *testing.B) {
	for name, stage := range map[string]func(src) src{
		"0":      func(s src) src { return s },
		"Map":    func(s src) src { return pipeline.Map(s, inc) },
		"Filter": func(s src) src { return pipeline.Filter(s, below(1<<62)) },
		"MapErr": func(s src) src {
			return pipeline.MapErr(s, func(v int) (int, error) { return v, nil })
		},
		"Take":      func(s src) src { return pipeline.Take(s, 1<<62) },
		"TakeWhile": func(s src) src { return pipeline.TakeWhile(s, below(1<<62)) },
		"Scan": func(s src) src {
			return pipeline.Scan(s, 0, func(a, v int) int { return a + v })
		},
		"Compact": func(s src) src { return pipeline.Compact(s) },
		"Transform": func(s src) src {
			return pipeline.Transform(s, func(v int, emit func(int)) error { emit(v); return nil }, nil)
		},
		"BatchFlat": func(s src) src { return pipeline.Flatten(pipeline.Batch(s, 64, 0)) },
		"BatchDelayFlat": func(s src) src {
			return pipeline.Flatten(pipeline.Batch(s, 64, 1e6))
		},
		"Timeout": func(s src) src { return pipeline.Timeout(s, 1e9) },
		"5Maps": func(s src) src {
			for range 5 {
				s = pipeline.Map(s, inc)
			}
			return s
		},
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, stage(ints())) })
	}
}
