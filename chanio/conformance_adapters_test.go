package chanio_test

import (
	"testing"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/chanio/chaniotest"
)

// numbers has the values of the suite for a stream of int.
func numbers(connect func(t testing.TB) (*chanio.Sink[int], *chanio.Source[int])) chaniotest.Streams[int] {
	return chaniotest.Streams[int]{
		Connect: connect,
		Make:    func(i int) int { return i },
		Number:  func(v int) int { return v },
		Facts:   chaniotest.Facts{Bubble: true, Direct: true},
	}
}

func TestConformanceOfPipeOf(t *testing.T) {
	for name, capacity := range map[string]int{"rendezvous": 0, "one": 1, "many": 100} {
		t.Run(name, func(t *testing.T) {
			chaniotest.TestStream(t, numbers(func(testing.TB) (*chanio.Sink[int], *chanio.Source[int]) {
				src, sink := chanio.PipeOf[int](capacity)
				return sink, src
			}))
		})
	}
}
