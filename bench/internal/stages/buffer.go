package stages

import (
	"context"
	"sync"

	"github.com/destel/rill"
	"github.com/samber/lo"
	"github.com/samber/ro"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// BufferSize is how many items may wait between the two goroutines.
const BufferSize = 128

// Buffered is a way to let a producer and a receiver run concurrently, each of which works on every item.
type Buffered struct {
	Kind string
	Ours bool
	Work Work
	Run  func(n int)
}

// Name is its name in a report.
func (b Buffered) Name() string { return b.Kind + ", " + b.Work.Name }

// Buffers returns every way with every kind of work.
func Buffers() (all []Buffered) {
	for _, w := range Works() {
		for _, kind := range []struct {
			name string
			ours bool
			run  func(n int, do func(int) int)
		}{
			{"weir Buffer", true, weirBuffer},
			{"weir Buffer, channel", true, weirBufferChannel},
			{"channel", false, bufferByHand},
			{"channel, select on ctx", false, bufferWithContext},
			{"lo FanIn", false, loFanIn},
			{"rill Buffer", false, rillBuffer},
			{"ro ObserveOn", false, roObserveOn},
		} {
			all = append(all, Buffered{kind.name, kind.ours, w, func(n int) { kind.run(n, w.do) }})
		}
	}
	return all
}

func weirBuffer(n int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sum := 0
	src := buffered(ctx, n, do)
	for v := range src.All(ctx) {
		sum = fold(sum, do(v))
	}
	Sum = sum
	must(src.Err())
}

func weirBufferChannel(n int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sum := 0
	src := buffered(ctx, n, do)
	for v := range src.C(ctx) {
		sum = fold(sum, do(v))
	}
	Sum = sum
	must(src.Err())
}

func buffered(ctx context.Context, n int, do func(int) int) *chanio.Source[int] {
	return pipeline.Buffer(ctx, pipeline.Map(counter(n), do), BufferSize, pipeline.Block)
}

func bufferByHand(n int, do func(int) int) {
	ch := make(chan int, BufferSize)
	go func() {
		defer close(ch)
		for i := range n {
			ch <- do(i)
		}
	}()
	sum := 0
	for v := range ch {
		sum = fold(sum, do(v))
	}
	Sum = sum
}

// bufferWithContext is code that can be stopped, on both sides.
func bufferWithContext(n int, do func(int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := make(chan int, BufferSize)
	go func() {
		defer close(ch)
		for i := range n {
			if !send(ctx, ch, do(i)) {
				return
			}
		}
	}()
	sum := 0
	for {
		v, ok := receive(ctx, ch)
		if !ok {
			break
		}
		sum = fold(sum, do(v))
	}
	Sum = sum
}

func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

func receive[T any](ctx context.Context, ch <-chan T) (v T, ok bool) {
	select {
	case v, ok = <-ch:
		return v, ok
	case <-ctx.Done():
		return v, false
	}
}

// loFanIn is the closest equivalent of a buffer in that library.
func loFanIn(n int, do func(int) int) {
	in := make(chan int)
	go func() {
		defer close(in)
		for i := range n {
			in <- do(i)
		}
	}()
	sum := 0
	for v := range lo.FanIn(BufferSize, in) {
		sum = fold(sum, do(v))
	}
	Sum = sum
}

func rillBuffer(n int, do func(int) int) {
	ch := rill.Buffer(rill.FromSeq(mappedSeq(n, do), nil), BufferSize)
	sum := 0
	must(rill.ForEach(ch, 1, func(v int) error {
		sum = fold(sum, do(v))
		return nil
	}))
	Sum = sum
}

func mappedSeq(n int, do func(int) int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(do(i)) {
				return
			}
		}
	}
}

func roObserveOn(n int, do func(int) int) {
	all := ro.ObserveOn[int](BufferSize)(ro.Map(do)(upToObservable(n)))
	sum := 0
	var done sync.WaitGroup
	done.Add(1)
	all.Subscribe(ro.NewObserver(
		func(v int) { sum = fold(sum, do(v)) },
		func(error) { done.Done() },
		done.Done,
	))
	done.Wait()
	Sum = sum
}

func upToObservable(n int) ro.Observable[int] {
	return ro.NewObservable(func(dst ro.Observer[int]) ro.Teardown {
		for i := range n {
			dst.Next(i)
		}
		dst.Complete()
		return nil
	})
}
