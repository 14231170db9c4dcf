package buses

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/weir-go/weir/bench/internal/suite"
	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline/bus"
)

// crowd is a bus with many subscriptions. No subscriber receives, so that the bus is measured and not the scheduler:
// when a queue is full, ours drops the oldest value, and the hand-written one drops the new value.
type crowd interface {
	publish(topic, v int)
	close()
}

// Crowds returns every kind of bus, with size subscriptions to one topic, and with one topic for each subscription. The
// value is the time to publish, in nanoseconds for each subscription reached.
func Crowds(size int) []suite.Contender {
	return crowds(size, func(open func() crowd, topics int) suite.Measure {
		return &openCrowd{crowd: open(), size: size, topics: topics}
	})
}

// CrowdMemory returns the same. The value is the memory of an idle subscription, in bytes.
func CrowdMemory(size int) []suite.Contender {
	return crowds(size, func(open func() crowd, _ int) suite.Measure { return scale{open, size} })
}

func crowds(size int, start func(open func() crowd, topics int) suite.Measure) (all []suite.Contender) {
	for _, kind := range []struct {
		name string
		ours bool
		open func(size, topics int) crowd
	}{
		{"channels under a mutex", false, openHub},
		{"weir Bus", true, openBus},
	} {
		for _, topics := range []int{1, size} {
			name := fmt.Sprintf("%s, %d topics", kind.name, topics)
			if topics == 1 {
				name = kind.name + ", 1 topic"
			}
			all = append(all, suite.Contender{Name: name, Ours: kind.ours, Start: func(context.Context) (suite.Measure, error) {
				return start(func() crowd { return kind.open(size, topics) }, topics), nil
			}})
		}
	}
	return all
}

// openCrowd is a crowd that values are published to.
type openCrowd struct {
	crowd
	size   int
	topics int
	sent   int
}

// Round publishes for about d.
func (c *openCrowd) Round(_ context.Context, d time.Duration) (suite.Sample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, sent := time.Now(), c.sent
	for time.Since(began) < d {
		for range max(1, 1000*c.topics/c.size) {
			c.publish(c.sent%c.topics, c.sent)
			c.sent++
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	reached := float64(c.sent-sent) * float64(c.size/c.topics)
	return suite.Sample{
		Value: float64(took.Nanoseconds()) / reached, Allocs: float64(after.Mallocs-before.Mallocs) / reached,
	}, nil
}

// Close drops the subscriptions.
func (c *openCrowd) Close() error {
	c.close()
	return nil
}

// scale measures the memory of a new crowd in each round.
type scale struct {
	open func() crowd
	size int
}

// Round builds a crowd; it ignores the time asked for.
func (s scale) Round(context.Context, time.Duration) (suite.Sample, error) {
	before := heap()
	c := s.open()
	held := heap() - before
	c.close()
	return suite.Sample{Value: float64(held) / float64(s.size)}, nil
}

// Close does nothing.
func (scale) Close() error { return nil }

// heap returns the bytes in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// hubCrowd is a hub whose publisher never waits.
type hubCrowd struct {
	hub[int]
	subs []<-chan int
}

func openHub(size, topics int) crowd {
	h := &hubCrowd{hub: hub[int]{topics: map[int][]chan int{}}, subs: make([]<-chan int, size)}
	for i := range h.subs {
		h.subs[i] = h.subscribe(i % topics)
	}
	return h
}

func (h *hubCrowd) publish(topic, v int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, ch := range h.topics[topic] {
		select {
		case ch <- v:
		default:
		}
	}
}

// busCrowd is a crowd on a Bus.
type busCrowd struct {
	bus  *bus.Bus[int, int]
	subs []*chanio.Source[int]
}

func openBus(size, topics int) crowd {
	b := &busCrowd{bus: bus.New[int, int](), subs: make([]*chanio.Source[int], size)}
	for i := range b.subs {
		b.subs[i] = must(b.bus.Subscribe(context.Background(), i%topics, nil))
	}
	return b
}

func (b *busCrowd) publish(topic, v int) { must(b.bus.Publish(context.Background(), topic, v)) }

func (b *busCrowd) close() { must(0, b.bus.Close()) }
