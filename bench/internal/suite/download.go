package suite

import (
	"context"
	"time"

	"github.com/weir-go/weir/bench/internal/load"
)

// Download is a contender that streams spec.Size lines in each reply. Its value is lines per second.
func (f *Field) Download(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		e, err := f.start(name, spec, false)
		if err != nil {
			return nil, err
		}
		return download{e}, nil
	}}
}

type download struct{ *echo }

func (m download) Round(ctx context.Context, d time.Duration) (s Sample, err error) {
	m.spec.Time = d
	var r load.Downloaded
	before, after, err := m.observe(ctx, "download", &r)
	if err != nil {
		return s, err
	}
	n := float64(max(r.Lines, 1))
	return Sample{
		Value: float64(r.Lines) / r.Time.Seconds(), RSS: after.RSS,
		CPU:    time.Duration(float64(after.CPU-before.CPU) / n),
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
		Writes: float64(after.Writes-before.Writes) / n,
	}, nil
}
