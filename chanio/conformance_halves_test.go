package chanio_test

import (
	"slices"
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
	"github.com/weir-go/weir/pipeline"
)

func upTo(n int) []int {
	values := make([]int, n)
	for i := range values {
		values[i] = i
	}
	return values
}

func itself(v int) int { return v }

// idle returns a Source that waits, behind the stages that through adds.
func idle(through func(*chanio.Source[int]) *chanio.Source[int]) func(testing.TB) (*chanio.Source[int], <-chan struct{}) {
	return func(testing.TB) (*chanio.Source[int], <-chan struct{}) {
		sink, src := pipeOf()
		return through(src), sink.Done()
	}
}

func pipeOf() (*chanio.Sink[int], *chanio.Source[int]) {
	src, sink := chanio.PipeOf[int](0)
	return sink, src
}

func TestConformanceOfSources(t *testing.T) {
	for name, through := range map[string]func(*chanio.Source[int]) *chanio.Source[int]{
		"alone": func(src *chanio.Source[int]) *chanio.Source[int] { return src },
		"Map":   func(src *chanio.Source[int]) *chanio.Source[int] { return pipeline.Map(src, itself) },
		"Filter": func(src *chanio.Source[int]) *chanio.Source[int] {
			return pipeline.Filter(src, func(int) bool { return true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			suite := chaniotest.Sources[int]{Number: itself, Idle: idle(through), Facts: chaniotest.Facts{Bubble: true}}
			suite.Open = func(_ testing.TB, n int) *chanio.Source[int] { return through(chanio.FromSlice(upTo(n))) }
			t.Run("FromSlice", func(t *testing.T) { chaniotest.TestSource(t, suite) })
			suite.Open = func(_ testing.TB, n int) *chanio.Source[int] {
				return through(chanio.FromSeq(slices.Values(upTo(n))))
			}
			t.Run("FromSeq", func(t *testing.T) { chaniotest.TestSource(t, suite) })
		})
	}
}

func TestConformanceOfTo(t *testing.T) {
	chaniotest.TestSink(t, chaniotest.Sinks[int]{
		Open: func(testing.TB) (*chanio.Sink[int], func() []int) {
			ch := make(chan int, 1000)
			return chanio.To(ch), func() (got []int) {
				for len(ch) > 0 {
					got = append(got, <-ch)
				}
				return got
			}
		},
		Make: itself, Number: itself,
		Facts: chaniotest.Facts{Bubble: true},
	})
}
