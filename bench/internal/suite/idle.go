package suite

import (
	"context"
	"time"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
)

// Idle is a contender for memory. Its value is the bytes of heap and stack in use, after a collection, for each of
// spec.Conns connections that have echoed one message and now wait. Each round has a new server.
func (f *Field) Idle(name string, ours bool, spec load.Spec) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		return &idle{f, name, spec}, nil
	}}
}

type idle struct {
	field *Field
	name  string
	spec  load.Spec
}

func (m *idle) Round(ctx context.Context, _ time.Duration) (Sample, error) {
	e, err := m.field.start(m.name, m.spec, m.field.Profiles != "")
	if err != nil {
		return Sample{}, err
	}
	s, err := e.idle(ctx)
	if e := e.Close(); err == nil {
		err = e
	}
	return s, err
}

func (m *idle) Close() error { return nil }

// idle measures the memory of connections.
func (e *echo) idle(ctx context.Context) (s Sample, err error) {
	var before, after child.Usage
	if err := e.server.Call(ctx, "settled", nil, &before); err != nil {
		return s, err
	}
	if err := e.field.load(ctx, "hold", e.spec, nil); err != nil {
		return s, err
	}
	if err := e.server.Call(ctx, "settled", nil, &after); err != nil {
		return s, err
	}
	if err := e.heapProfile(ctx); err != nil {
		return s, err
	}
	if err := e.field.load(ctx, "release", e.spec, nil); err != nil {
		return s, err
	}
	n := float64(e.spec.Conns)
	held := float64(after.Heap+after.Stack) - float64(before.Heap+before.Stack)
	return Sample{
		Value: held / n, RSS: after.RSS,
		Stack:      (float64(after.Stack) - float64(before.Stack)) / n,
		Goroutines: float64(after.Goroutines-before.Goroutines) / n,
	}, nil
}

// heapProfile writes a heap profile of the server, if profiles are wanted.
func (e *echo) heapProfile(ctx context.Context) error {
	if e.field.Profiles == "" {
		return nil
	}
	return e.server.Call(ctx, "heap", e.profileFile("heap"), nil)
}
