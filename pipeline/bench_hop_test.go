package pipeline_test

import (
	"context"
	"sync"
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// benchmarkHop measures a stage that owns goroutines, and how many values cross at a time.
func benchmarkHop(b *testing.B, stage func(context.Context, *chanio.Source[int]) *chanio.Source[int]) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := stage(ctx, ints())
	benchmark(b, s)
}

// benchmarkChannel measures the hand-written equivalent, which feeds ch until its ctx ends.
func benchmarkChannel(b *testing.B, start func(ctx context.Context) (<-chan int, func())) {
	ctx, cancel := context.WithCancel(context.Background())
	ch, wait := start(ctx)
	b.ReportAllocs()
	for b.Loop() {
		select {
		case <-ch:
		case <-ctx.Done():
		}
	}
	cancel()
	wait()
}

func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

func recv[T any](ctx context.Context, ch <-chan T, v *T) bool {
	select {
	case *v = <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}

func BenchmarkBuffer(b *testing.B) {
	for _, policy := range []pipeline.Policy{pipeline.Block, pipeline.DropOldest, pipeline.DropNewest} {
		b.Run(policy.String(), func(b *testing.B) {
			benchmarkHop(b, func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
				return pipeline.Buffer(ctx, s, 128, policy)
			})
		})
	}
	b.Run("ByMetric", func(b *testing.B) {
		benchmarkHop(b, func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.BufferBy(ctx, s, one(nothing), 128, pipeline.Block)
		})
	})
	b.Run("ByHand", func(b *testing.B) {
		benchmarkChannel(b, func(ctx context.Context) (<-chan int, func()) {
			ch := make(chan int, 128)
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; send(ctx, ch, i); i++ {
				}
			})
			return ch, wg.Wait
		})
	})
}

func BenchmarkMerge(b *testing.B) {
	b.Run("2", func(b *testing.B) {
		benchmarkHop(b, func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Merge(ctx, s, ints())
		})
	})
	b.Run("2ByHand", func(b *testing.B) {
		benchmarkChannel(b, func(ctx context.Context) (<-chan int, func()) {
			ch := make(chan int, pipeline.DefaultQueue)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for i := 0; send(ctx, ch, i); i++ {
					}
				})
			}
			return ch, wg.Wait
		})
	})
}

func BenchmarkTee(b *testing.B) {
	b.Run("2", func(b *testing.B) {
		benchmarkHop(b, func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			outs := pipeline.Tee(ctx, s, 2)
			return pipeline.Zip(outs[0], outs[1], max0)
		})
	})
	b.Run("2ByHand", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		one, two := make(chan int, pipeline.DefaultQueue), make(chan int, pipeline.DefaultQueue)
		wg.Go(func() {
			for i := 0; send(ctx, one, i) && send(ctx, two, i); i++ {
			}
		})
		b.ReportAllocs()
		v, w := 0, 0
		for b.Loop() {
			recv(ctx, one, &v)
			recv(ctx, two, &w)
		}
		cancel()
		wg.Wait()
	})
}

func BenchmarkMapConcurrent(b *testing.B) {
	square := func(_ context.Context, v int) (int, error) { return v * v, nil }
	for name, stage := range map[string]func(context.Context, *chanio.Source[int]) *chanio.Source[int]{
		"Ordered4": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapConcurrent(ctx, s, 4, square)
		},
		"Ordered64": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapConcurrent(ctx, s, 64, square)
		},
		"Unordered4": func(ctx context.Context, s *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.MapUnordered(ctx, s, 4, square)
		},
	} {
		b.Run(name, func(b *testing.B) { benchmarkHop(b, stage) })
	}
	b.Run("Unordered4ByHand", func(b *testing.B) {
		benchmarkChannel(b, func(ctx context.Context) (<-chan int, func()) { return unorderedByHand(ctx, 4) })
	})
	b.Run("Ordered4ByHand", func(b *testing.B) {
		benchmarkChannel(b, func(ctx context.Context) (<-chan int, func()) { return orderedByHand(ctx, 4) })
	})
}

func unorderedByHand(ctx context.Context, n int) (<-chan int, func()) {
	jobs, results := make(chan int, n), make(chan int, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; send(ctx, jobs, i); i++ {
		}
	})
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				select {
				case v := <-jobs:
					send(ctx, results, v*v)
				case <-ctx.Done():
				}
			}
		})
	}
	return results, wg.Wait
}

// orderedByHand is the usual way: a queue of channels of one, each for the result of one value.
func orderedByHand(ctx context.Context, n int) (<-chan int, func()) {
	type job struct {
		v      int
		result chan int
	}
	jobs, order, results := make(chan job, n), make(chan chan int, n), make(chan int, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			j := job{i, make(chan int, 1)}
			if !send(ctx, order, j.result) || !send(ctx, jobs, j) {
				return
			}
		}
	})
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				select {
				case j := <-jobs:
					j.result <- j.v * j.v
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			select {
			case result := <-order:
				select {
				case v := <-result:
					send(ctx, results, v)
				case <-ctx.Done():
				}
			case <-ctx.Done():
			}
		}
	})
	return results, wg.Wait
}
