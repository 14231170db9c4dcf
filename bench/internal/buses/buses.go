// Package buses measures buses in this process: one publisher, one topic, and subscribers that receive every value.
package buses

import (
	"context"
	"fmt"
	"sync"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/pipeline/bus"
)

// Subscribers is the number of subscribers.
const Subscribers = 8

// queueSize is the size of each subscriber's queue.
const queueSize = 64

const topic = "prices"

// Form is a kind of bus.
type Form struct {
	Name string
	Ours bool
	Run  func(n int) // publishes n values
}

// Forms returns all kinds.
func Forms() []Form {
	return []Form{
		{"channels under a mutex", false, func(n int) { byHand(n) }},
		{"weir Bus, Recv", true, func(n int) { ours(n, receive) }},
		{"weir Bus, channels", true, func(n int) { ours(n, ranged) }},
		{"NATS, over net.Pipe", false, inNATS},
	}
}

// hub is the usual hand-written bus: a table of channels under a mutex.
type hub[K comparable] struct {
	mu     sync.RWMutex
	topics map[K][]chan int
}

func (h *hub[K]) subscribe(topic K) <-chan int {
	ch := make(chan int, queueSize)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics[topic] = append(h.topics[topic], ch)
	return ch
}

func (h *hub[K]) publish(topic K, v int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, ch := range h.topics[topic] {
		ch <- v
	}
}

func (h *hub[K]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, all := range h.topics {
		for _, ch := range all {
			close(ch)
		}
	}
}

func byHand(n int) {
	h := &hub[string]{topics: map[string][]chan int{}}
	var group sync.WaitGroup
	for range Subscribers {
		ch := h.subscribe(topic)
		group.Go(func() {
			sum := 0
			for v := range ch {
				sum += v
			}
			check(n, sum)
		})
	}
	for i := range n {
		h.publish(topic, i)
	}
	h.close()
	group.Wait()
}

// ours does the same with a Bus whose publisher waits for the slowest subscriber, as with channels.
func ours(n int, sum func(*chanio.Source[int]) int) {
	ctx := context.Background()
	b := bus.New[string, int]()
	var group sync.WaitGroup
	for range Subscribers {
		src := must(b.Subscribe(ctx, topic, &pipeline.Queue[int]{Size: queueSize, Policy: pipeline.Block}))
		group.Go(func() { check(n, sum(src)) })
	}
	for i := range n {
		must(b.Publish(ctx, topic, i))
	}
	must(0, b.Close())
	group.Wait()
}

func receive(src *chanio.Source[int]) (sum int) {
	for {
		v, err := src.Recv(context.Background())
		if err != nil {
			return sum
		}
		sum += v
	}
}

func ranged(src *chanio.Source[int]) (sum int) {
	for v := range src.C(context.Background()) {
		sum += v
	}
	return sum
}

// check panics unless every subscriber has received every value.
func check(n, sum int) {
	if want := n * (n - 1) / 2; sum != want {
		panic(fmt.Sprintf("buses: a subscriber received values that sum up to %d instead of %d", sum, want))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprint("buses: ", err))
	}
	return v
}
