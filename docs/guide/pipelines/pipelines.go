// Package pipelines has the pipelines of the guide and of the README, which need no connection.
package pipelines

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
)

// failures yields, second by second, how many lines of a log are errors.
func failures(log io.ReadCloser) *chanio.Source[int] {
	lines := codec.Decode(chanio.FromReader(log, log.Close), codec.Lines)
	failed := pipeline.Filter(lines, func(line string) bool { return strings.Contains(line, "ERROR") })
	seconds := pipeline.Batch(failed, 1000, time.Second) // at most a thousand lines, or one second
	return pipeline.Map(seconds, func(lines []string) int { return len(lines) })
}

// fahrenheit reads a thermometer every second, even without a receiver.
func fahrenheit(ctx context.Context, celsius func() float64) *chanio.Source[float64] {
	read := pipeline.Periodically(time.Second, func(time.Time) float64 { return celsius() })
	ahead := pipeline.Buffer(ctx, read, 16, pipeline.DropOldest) // takes ctx: it starts a goroutine
	return pipeline.Map(ahead, func(c float64) float64 { return c*9/5 + 32 })
}

// service returns a Duplex: what is sent to Out is answered on In.
func service(answer func(question string) string) *chanio.Duplex[string, string] {
	questions, ask := chanio.PipeOf[string](8)
	return pipeline.Splice(ask, pipeline.Map(questions, answer))
}
