package suite

import (
	"context"
	"errors"
	"time"

	"github.com/weir-go/weir/bench/internal/load"
)

// Latency is a contender that echoes an open loop. Its value is the 99th percentile, in milliseconds, of the latency
// from the intended start of a request.
func (f *Field) Latency(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		if spec.Rate == 0 {
			return nil, errors.New("suite: latency wants a rate")
		}
		e, err := f.start(name, spec, false)
		if err != nil {
			return nil, err
		}
		return latency{e}, nil
	}}
}

type latency struct{ *echo }

func (l latency) Round(ctx context.Context, d time.Duration) (Sample, error) {
	s, err := l.echo.Round(ctx, d)
	s.Value = float64(s.P99) / float64(time.Millisecond)
	return s, err
}
