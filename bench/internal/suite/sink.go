package suite

import (
	"context"
	"time"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
)

// Sink is a contender that receives datagrams and does not answer. Its value is datagrams received per second.
func (f *Field) Sink(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		e, err := f.start(name, spec, false)
		if err != nil {
			return nil, err
		}
		return sink{e}, nil
	}}
}

type sink struct{ *echo }

func (m sink) Round(ctx context.Context, d time.Duration) (s Sample, err error) {
	m.spec.Time = d
	var before, after uint64
	var used, now child.Usage
	if err := m.server.Call(ctx, "usage", nil, &used); err != nil {
		return s, err
	}
	if err := m.server.Call(ctx, "count", nil, &before); err != nil {
		return s, err
	}
	var f load.Flooded
	if err := m.field.load(ctx, "flood", m.spec, &f); err != nil {
		return s, err
	}
	if err := m.server.Call(ctx, "count", nil, &after); err != nil {
		return s, err
	}
	if err := m.server.Call(ctx, "usage", nil, &now); err != nil {
		return s, err
	}
	n := float64(max(after-before, 1))
	return Sample{
		Value: float64(after-before) / f.Time.Seconds(), RSS: now.RSS,
		CPU:    time.Duration(float64(now.CPU-used.CPU) / n),
		Allocs: float64(now.Mallocs-used.Mallocs) / n,
	}, nil
}
