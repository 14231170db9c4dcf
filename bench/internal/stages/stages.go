// Package stages measures work in this process: the same five steps, arranged in several ways.
package stages

import (
	"context"
	"fmt"
	"io"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// Form is one arrangement of the steps.
type Form struct {
	Name string
	Run  func(n int) // takes n items through the steps
}

// Forms returns every arrangement.
func Forms() []Form {
	return append([]Form{
		{"plain loop", plain},
		{"fused source", func(n int) { fused(n, 0) }},
		{"fused 1", func(n int) { fused(n, 1) }},
		{"fused 5", func(n int) { fused(n, 5) }},
		{"5 goroutines, 128 slots", func(n int) { goroutines(n, 5, 128) }},
		{"5 goroutines, 128 slots, select on ctx", func(n int) { stoppable(n, 5, 128) }},
		{"5 goroutines, unbuffered", func(n int) { goroutines(n, 5, 0) }},
		{"hand-written goroutine", handWritten},
		{"hand-written goroutine over fused 5", handWrittenOver},
		{"C over fused 5", channel},
	}, peers()...)
}

// steps are called through variables in every form, so that none of them is inlined.
var steps = [5]func(int) int{
	func(v int) int { return v + 1 },
	func(v int) int { return v ^ 0x55 },
	func(v int) int { return v * 3 },
	func(v int) int { return v - 7 },
	func(v int) int { return v >> 1 },
}

// chanSize is the capacity of the channel that Source.C returns.
const chanSize = 16

// Sum receives the sum of each form's output. It keeps the compiler from removing the work, and tests compare it.
var Sum int

func plain(n int) {
	sum := 0
	for i := range n {
		for _, step := range steps {
			i = step(i)
		}
		sum += i
	}
	Sum = sum
}

// counter is a Source of 0 to n-1.
func counter(n int) *chanio.Source[int] {
	i := -1
	return chanio.NewSource(chanio.SourceHooks[int]{Next: func(context.Context) (int, error) {
		if i++; i >= n {
			return 0, io.EOF
		}
		return i, nil
	}})
}

func mapped(n, stages int) *chanio.Source[int] {
	src := counter(n)
	for k := range stages {
		src = pipeline.Map(src, steps[k%len(steps)])
	}
	return src
}

func fused(n, stages int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := mapped(n, stages)
	sum := 0
	for {
		v, err := src.Recv(ctx)
		if err != nil {
			break
		}
		sum += v
	}
	Sum = sum
	must(src.Err())
}

// goroutines runs each step in a goroutine, with a channel between two steps.
func goroutines(n, stages, size int) {
	first := make(chan int, size)
	go func() {
		defer close(first)
		for i := range n {
			first <- i
		}
	}()
	last := first
	for k := range stages {
		step, from, to := steps[k%len(steps)], last, make(chan int, size)
		go func() {
			defer close(to)
			for v := range from {
				to <- step(v)
			}
		}()
		last = to
	}
	Sum = total(last)
}

// stoppable is goroutines, written so that the end of ctx stops every stage wherever it waits, as it stops ours. A
// goroutine that only ranges and sends blocks forever when the receiver leaves.
func stoppable(n, stages, size int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := make(chan int, size)
	go func() {
		defer close(first)
		for i := range n {
			if !send(ctx, first, i) {
				return
			}
		}
	}()
	last := first
	for k := range stages {
		step, from, to := steps[k%len(steps)], last, make(chan int, size)
		go func() {
			defer close(to)
			for {
				v, ok := receive(ctx, from)
				if !ok || !send(ctx, to, step(v)) {
					return
				}
			}
		}()
		last = to
	}
	sum := 0
	for v, ok := receive(ctx, last); ok; v, ok = receive(ctx, last) {
		sum += v
	}
	Sum = sum
}

// handWritten is the plain loop in a goroutine that feeds a channel until ctx ends.
func handWritten(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := make(chan int, chanSize)
	go func() {
		defer close(ch)
		for i := range n {
			for _, step := range steps {
				i = step(i)
			}
			select {
			case ch <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	Sum = total(ch)
}

// handWrittenOver is the same goroutine behind the fused stages.
func handWrittenOver(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src, ch := mapped(n, 5), make(chan int, chanSize)
	go func() {
		defer close(ch)
		for {
			v, err := src.Recv(ctx)
			if err != nil {
				return
			}
			select {
			case ch <- v:
			case <-ctx.Done():
				return
			}
		}
	}()
	Sum = total(ch)
}

func channel(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := mapped(n, 5)
	Sum = total(src.C(ctx))
	must(src.Err())
}

func total(ch <-chan int) (sum int) {
	for v := range ch {
		sum += v
	}
	return sum
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprint("stages: ", err))
	}
}
