package stages

import (
	"context"
	"fmt"
	"sync"

	"github.com/destel/rill"
	ext "github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// Mapped is a way to process the items of a stream in several goroutines, with one receiver of the results.
type Mapped struct {
	Kind    string
	Ours    bool
	Slices  bool // it needs many items before it has a result, so it is not a stream
	Workers int
	Run     func(n int)
}

// Name is its name in a report.
func (m Mapped) Name() string { return fmt.Sprintf("%s, %d workers", m.Kind, m.Workers) }

// WorkerCounts are the numbers of goroutines that are compared.
func WorkerCounts() []int { return []int{2, 4, 8} }

// way processes n items with the given number of workers.
type way struct {
	name   string
	ours   bool
	slices bool
	run    func(n, workers int, do func(int) int)
}

// Ordered returns the ways that keep the order, for the given work and every number of workers.
func Ordered(w Work) []Mapped {
	return mappedBy(w, []way{
		{"weir MapConcurrent", true, false, weirOrdered},
		{"channel of channels", false, false, orderedByHand},
		{"rill OrderedMap", false, false, rillOrdered},
		{"conc stream", false, false, concOrdered},
		{"conc iter, slices of 1,024", false, true, concSlices},
	})
}

// Unordered returns the ways that deliver results as they become available.
func Unordered(w Work) []Mapped {
	return mappedBy(w, []way{
		{"weir MapUnordered", true, false, weirUnordered},
		{"two channels", false, false, unorderedByHand},
		{"two channels, select on ctx", false, false, unorderedWithContext},
		{"rill Map", false, false, rillUnordered},
		{"conc pool", false, false, concPool},
		{"go-streams", false, false, goStreamsUnordered},
	})
}

func mappedBy(w Work, ways []way) (all []Mapped) {
	for _, k := range ways {
		for _, workers := range WorkerCounts() {
			all = append(all, Mapped{k.name, k.ours, k.slices, workers, func(n int) { k.run(n, workers, w.do) }})
		}
	}
	return all
}

func weirOrdered(n, workers int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sum := 0
	src := pipeline.MapConcurrent(ctx, counter(n), workers, fallible(do))
	for v := range src.All(ctx) {
		sum = fold(sum, v)
	}
	Sum = sum
	must(src.Err())
}

func weirUnordered(n, workers int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	Sum = sumOf(ctx, pipeline.MapUnordered(ctx, counter(n), workers, fallible(do)))
}

func sumOf(ctx context.Context, src *chanio.Source[int]) (sum int) {
	for v := range src.All(ctx) {
		sum += v
	}
	must(src.Err())
	return sum
}

func fallible(do func(int) int) func(context.Context, int) (int, error) {
	return func(_ context.Context, v int) (int, error) { return do(v), nil }
}

// orderedByHand is the usual code: a channel of channels of one, each for the result of one item.
func orderedByHand(n, workers int, do func(int) int) {
	type job struct {
		v      int
		result chan int
	}
	jobs, order := make(chan job, workers), make(chan chan int, workers)
	go func() {
		defer close(jobs)
		defer close(order)
		for i := range n {
			j := job{i, make(chan int, 1)}
			order <- j.result
			jobs <- j
		}
	}()
	for range workers {
		go func() {
			for j := range jobs {
				j.result <- do(j.v)
			}
		}()
	}
	sum := 0
	for result := range order {
		sum = fold(sum, <-result)
	}
	Sum = sum
}

func rillOrdered(n, workers int, do func(int) int) {
	sum := 0
	out := rill.OrderedMap(tries(n, workers), workers, func(v int) (int, error) { return do(v), nil })
	must(rill.ForEach(out, 1, func(v int) error {
		sum = fold(sum, v)
		return nil
	}))
	Sum = sum
}

func rillUnordered(n, workers int, do func(int) int) {
	sum := 0
	out := rill.Map(tries(n, workers), workers, func(v int) (int, error) { return do(v), nil })
	must(rill.ForEach(out, 1, func(v int) error {
		sum += v
		return nil
	}))
	Sum = sum
}

// tries is rill.FromSeq with a buffered channel.
func tries(n, slots int) <-chan rill.Try[int] {
	ch := make(chan rill.Try[int], slots)
	go func() {
		defer close(ch)
		for i := range n {
			ch <- rill.Try[int]{Value: i}
		}
	}()
	return ch
}

func concOrdered(n, workers int, do func(int) int) {
	s := stream.New().WithMaxGoroutines(workers)
	sum := 0
	for i := range n {
		s.Go(func() stream.Callback {
			v := do(i)
			return func() { sum = fold(sum, v) }
		})
	}
	s.Wait()
	Sum = sum
}

func concSlices(n, workers int, do func(int) int) {
	const part = 1024
	mapper := iter.Mapper[int, int]{MaxGoroutines: workers}
	sum, in := 0, make([]int, 0, part)
	for i := 0; i < n; {
		in = in[:0]
		for ; i < n && len(in) < part; i++ {
			in = append(in, i)
		}
		for _, v := range mapper.Map(in, func(v *int) int { return do(*v) }) {
			sum = fold(sum, v)
		}
	}
	Sum = sum
}

func concPool(n, workers int, do func(int) int) {
	results := make(chan int, workers)
	go func() {
		defer close(results)
		p := pool.New().WithMaxGoroutines(workers)
		for i := range n {
			p.Go(func() { results <- do(i) })
		}
		p.Wait()
	}()
	Sum = total(results)
}

func unorderedByHand(n, workers int, do func(int) int) {
	jobs, results := make(chan int, workers), make(chan int, workers)
	go func() {
		defer close(jobs)
		for i := range n {
			jobs <- i
		}
	}()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for v := range jobs {
				results <- do(v)
			}
		})
	}
	go func() {
		group.Wait()
		close(results)
	}()
	Sum = total(results)
}

func unorderedWithContext(n, workers int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	jobs, results := make(chan int, workers), make(chan int, workers)
	go func() {
		defer close(jobs)
		for i := range n {
			if !send(ctx, jobs, i) {
				return
			}
		}
	}()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for v, ok := receive(ctx, jobs); ok && send(ctx, results, do(v)); v, ok = receive(ctx, jobs) {
			}
		})
	}
	go func() {
		group.Wait()
		close(results)
	}()
	sum := 0
	for v, ok := receive(ctx, results); ok; v, ok = receive(ctx, results) {
		sum += v
	}
	Sum = sum
}

func goStreamsUnordered(n, workers int, do func(int) int) {
	in, out := make(chan any, workers), make(chan any, workers)
	go func() {
		defer close(in)
		for i := range n {
			in <- i
		}
	}()
	go ext.NewChanSource(in).Via(flow.NewMap(do, workers)).To(ext.NewChanSink(out))
	sum := 0
	for v := range out {
		sum += v.(int)
	}
	Sum = sum
}
