package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// flow is a producer, a queue and a consumer to observe.
type flow struct {
	arrive, consume time.Duration // for each value
	size            int
	policy          pipeline.Policy
}

var policies = map[string]pipeline.Policy{
	"Block": pipeline.Block, "DropOldest": pipeline.DropOldest, "DropNewest": pipeline.DropNewest,
}

// flowOf reads the settings of the page's sliders.
func flowOf(q url.Values) (f flow, err error) {
	millis := func(name string) time.Duration {
		n, wrong := strconv.Atoi(q.Get(name))
		if wrong != nil || n < 1 || n > 1000 {
			err = fmt.Errorf("%s is a number of milliseconds from 1 to 1000, not %q", name, q.Get(name))
		}
		return time.Duration(n) * time.Millisecond
	}
	f.arrive, f.consume = millis("arrive"), millis("consume")
	var known bool
	if f.policy, known = policies[q.Get("policy")]; !known {
		err = fmt.Errorf("there is no policy %q", q.Get("policy"))
	}
	if f.size, _ = strconv.Atoi(q.Get("size")); f.size < 1 || f.size > 200 {
		err = fmt.Errorf("size is a number from 1 to 200, not %q", q.Get("size"))
	}
	return f, err
}

// level is a snapshot of a flow.
type level struct {
	Produced int64  `json:"produced"`
	Consumed int64  `json:"consumed"`
	Queued   int    `json:"queued"`
	Size     int    `json:"size"`
	Dropped  uint64 `json:"dropped"`
	Waiting  bool   `json:"waiting"` // the producer waits for room
}

// run moves values until ctx ends, and calls show five times a second.
func (f flow) run(ctx context.Context, show func(level) error) error {
	var produced, consumed atomic.Int64
	var waiting atomic.Bool
	src, out := chanio.PipeOf[int](0)
	queued := pipeline.BufferWith(ctx, src, &pipeline.Queue[int]{Size: f.size, Policy: f.policy})
	return chanio.Race(ctx,
		func(ctx context.Context) error {
			return every(ctx, f.arrive, func() error {
				waiting.Store(true)
				err := out.Send(ctx, 0)
				waiting.Store(false)
				produced.Add(1)
				return err
			})
		},
		func(ctx context.Context) error {
			return every(ctx, f.consume, func() error {
				_, err := queued.Recv(ctx)
				consumed.Add(1)
				return err
			})
		},
		func(ctx context.Context) error {
			return every(ctx, 200*time.Millisecond, func() error {
				d := queued.Describe()
				return show(level{produced.Load(), consumed.Load(), d.Queued, f.size, d.Dropped, waiting.Load()})
			})
		})
}

// every calls f repeatedly, with a pause after each call, until it fails or ctx ends.
func every(ctx context.Context, pause time.Duration, f func() error) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := f(); err != nil {
			return err
		}
		timer.Reset(pause)
	}
}
