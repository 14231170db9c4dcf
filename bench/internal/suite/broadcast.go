package suite

import (
	"context"
	"time"

	"github.com/weir-go/weir/bench/internal/load"
)

// Broadcast is a contender that sends the messages of one connection to all spec.Conns connections. Its value is
// messages received per second, over all connections.
func (f *Field) Broadcast(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		e, err := f.start(name, spec, false)
		if err != nil {
			return nil, err
		}
		return broadcast{e}, nil
	}}
}

type broadcast struct{ *echo }

func (m broadcast) Round(ctx context.Context, d time.Duration) (s Sample, err error) {
	m.spec.Time = d
	var b load.Broadcasts
	before, after, err := m.observe(ctx, "broadcast", &b)
	if err != nil {
		return s, err
	}
	return Sample{
		Value: float64(b.Received) / b.Time.Seconds(), RSS: after.RSS,
		CPU:    time.Duration(float64(after.CPU-before.CPU) / float64(max(b.Received, 1))),
		Writes: float64(after.Writes-before.Writes) / float64(max(b.Received, 1)),
	}, nil
}
