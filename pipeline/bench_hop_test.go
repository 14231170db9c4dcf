package pipeline_test

import (
	"context"
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

func BenchmarkHop(b *testing.B) {
	sq := func(_ context.Context, v int) (int, error) { return v * v, nil }
	for name, stage := range map[string]func(context.Context, *chanio.Source[int]) *chanio.Source[int]{
		"Buffer64": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Buffer(ctx, s, 64, pipeline.Block)
		},
		"Buffer128": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Buffer(ctx, s, 128, pipeline.Block)
		},
		"Buffer1024": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Buffer(ctx, s, 1024, pipeline.Block)
		},
		"DropOldest64": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Buffer(ctx, s, 64, pipeline.DropOldest)
		},
		"Map4": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapConcurrent(ctx, s, 4, sq)
		},
		"Map64": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapConcurrent(ctx, s, 64, sq)
		},
		"Unordered4": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapUnordered(ctx, s, 4, sq)
		},
		"Merge2": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Merge(ctx, s, ints())
		},
		"Tee2": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			ss := pipeline.Tee(ctx, s, 2)
			go func() {
				for range ss[1].All(ctx) {
				}
			}()
			return ss[0]
		},
		"Chan128": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			ch := make(chan int, 128)
			go func() {
				for i := 0; ; i++ {
					select {
					case ch <- i:
					case <-ctx.Done():
						return
					}
				}
			}()
			return chanio.NewSource(chanio.SourceHooks[int]{Next: func(ctx context.Context) (int, error) {
				select {
				case v := <-ch:
					return v, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}})
		},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s := stage(ctx, ints())
			benchmark(b, s)
			d := s.Describe()
			if d.Hops > 0 {
				b.ReportMetric(float64(d.Passed)/float64(d.Hops), "items/hop")
			}
		})
	}
}
