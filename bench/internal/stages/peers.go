package stages

import (
	"context"
	"iter"

	"github.com/destel/rill"
	ext "github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
	"github.com/samber/lo"
	loit "github.com/samber/lo/it"
	"github.com/samber/ro"
	"github.com/sourcegraph/conc/stream"
)

// Other pipeline libraries, each used as its own documentation shows, with a concurrency of one, because the steps must
// keep the order.

func peers() []Form {
	return []Form{
		{"rill", func(n int) { rillStages(n, 5) }},
		{"conc stream", concStream},
		{"ro", func(n int) { roStages(n, 5) }},
		{"go-streams", goStreams},
		{"lo slices of 1,024", loSlices},
		{"lo iterators", func(n int) { loIterators(n, 5) }},
	}
}

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func rillStages(n, stages int) {
	ch := rill.FromSeq(upTo(n), nil)
	for k := range stages {
		step := steps[k%len(steps)]
		ch = rill.OrderedMap(ch, 1, func(v int) (int, error) { return step(v), nil })
	}
	sum := 0
	must(rill.ForEach(ch, 1, func(v int) error {
		sum += v
		return nil
	}))
	Sum = sum
}

// concStream runs all steps of an item in one task, because that library has no stages.
func concStream(n int) {
	s := stream.New().WithMaxGoroutines(1)
	sum := 0
	for i := range n {
		s.Go(func() stream.Callback {
			v := i
			for _, step := range steps {
				v = step(v)
			}
			return func() { sum += v }
		})
	}
	s.Wait()
	Sum = sum
}

func roStages(n, stages int) {
	all := ro.NewObservable(func(dst ro.Observer[int]) ro.Teardown {
		for i := range n {
			dst.Next(i)
		}
		dst.Complete()
		return nil
	})
	for k := range stages {
		all = ro.Map(steps[k%len(steps)])(all)
	}
	sum := 0
	all.SubscribeWithContext(context.Background(), ro.OnNext(func(v int) { sum += v })).Wait()
	Sum = sum
}

func goStreams(n int) {
	in, out := make(chan any), make(chan any)
	go func() {
		defer close(in)
		for i := range n {
			in <- i
		}
	}()
	src := ext.NewChanSource(in).Via(flow.NewMap(steps[0], 1))
	for _, step := range steps[1:] {
		src = src.Via(flow.NewMap(step, 1))
	}
	go src.To(ext.NewChanSink(out))
	sum := 0
	for v := range out {
		sum += v.(int)
	}
	Sum = sum
}

// loSlices makes a slice for each step, in parts that fit into the processor's cache.
func loSlices(n int) {
	const part = 1024
	sum, in := 0, make([]int, 0, part)
	for i := 0; i < n; {
		in = in[:0]
		for ; i < n && len(in) < part; i++ {
			in = append(in, i)
		}
		vs := in
		for _, step := range steps {
			vs = lo.Map(vs, func(v, _ int) int { return step(v) })
		}
		sum += lo.Sum(vs)
	}
	Sum = sum
}

func loIterators(n, stages int) {
	seq := upTo(n)
	for k := range stages {
		seq = loit.Map(seq, steps[k%len(steps)])
	}
	sum := 0
	for v := range seq {
		sum += v
	}
	Sum = sum
}
