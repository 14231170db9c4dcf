package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec/sse"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// second is what the plot shows for one second.
type second struct {
	At   time.Time `json:"at"`
	Hits int       `json:"hits"`
}

// measure receives statsd packets over UDP, sends some itself, and publishes the sum of each second.
func (p *page) measure(ctx context.Context) error {
	server, err := servers.ListenUDP("127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	defer server.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return hit(ctx, server.LocalAddr().String()) })
	group.Go(func() error {
		hits := func(packet chanio.Packet) int { return strings.Count(string(packet.Data), "hits:1|c") }
		sums := pipeline.Rollup(pipeline.Map(server.In, hits), time.Second,
			func() int { return 0 }, func(sum, n int) int { return sum + n })
		for sum := range sums.All(ctx) {
			text, err := json.Marshal(second{sum.Start, sum.Value})
			if err != nil {
				return err
			}
			if _, err := p.metrics.Publish(ctx, sse.Event{Type: "second", Data: string(text)}); err != nil {
				return err
			}
		}
		return ignoreEnd(ctx, sums.Err())
	})
	return group.Wait()
}

// hit sends packets at a varying rate.
func hit(ctx context.Context, addr string) error {
	client, err := clients.DialUDP(ctx, addr, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	rate := 20.0
	return ignoreEnd(ctx, every(ctx, 20*time.Millisecond, func() error {
		rate = min(60, max(1, rate+rand.NormFloat64()*2))
		lines := strings.Repeat("hits:1|c\n", 1+rand.IntN(1+int(rate/10)))
		return client.Out.Send(ctx, chanio.Packet{Data: []byte(lines)})
	}))
}

// ignoreEnd returns err unless ctx has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// sendJSON sends a value as an event.
func sendJSON(ctx context.Context, events *chanio.Sink[sse.Event], kind string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return events.Send(ctx, sse.Event{Type: kind, Data: string(text)})
}
