package suite

import (
	"context"
	"runtime"
	"time"
)

// InProcess is a contender that processes n items in this process. Its value is nanoseconds per item.
func InProcess(name string, ours bool, run func(n int)) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		return &inProcess{run: run}, nil
	}}
}

type inProcess struct {
	run func(n int)
	n   int // the items that take about the time asked for
}

func (m *inProcess) Round(_ context.Context, d time.Duration) (Sample, error) {
	if m.n == 0 {
		m.calibrate(d)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	m.run(m.n)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	n := float64(m.n)
	return Sample{Value: float64(took.Nanoseconds()) / n, Allocs: float64(after.Mallocs-before.Mallocs) / n}, nil
}

// calibrate finds the number of items that take about d.
func (m *inProcess) calibrate(d time.Duration) {
	for n := 1000; ; n *= 10 {
		began := time.Now()
		m.run(n)
		if took := time.Since(began); took >= d/20 {
			m.n = max(1, int(float64(n)*float64(d)/float64(took)))
			return
		}
	}
}

func (m *inProcess) Close() error { return nil }

// Timed is a contender in this process that measures itself: it is opened, and run repeatedly until it has used the
// time asked for. Its value is nanoseconds per item.
func Timed(name string, ours bool, open func() (Stopwatch, error)) Contender {
	return Contender{Name: name, Ours: ours, Start: func(context.Context) (Measure, error) {
		w, err := open()
		return timed{w}, err
	}}
}

// Stopwatch processes some items and returns how long they took, without their preparation.
type Stopwatch interface {
	Once() (items int, took time.Duration, err error)
	Close() error
}

type timed struct{ Stopwatch }

func (m timed) Round(ctx context.Context, d time.Duration) (Sample, error) {
	var spent time.Duration
	items := 0
	for spent < d/2 && ctx.Err() == nil { // the other half is for preparations
		n, took, err := m.Once()
		if err != nil {
			return Sample{}, err
		}
		items, spent = items+n, spent+took
	}
	return Sample{Value: float64(spent.Nanoseconds()) / float64(max(items, 1))}, context.Cause(ctx)
}
