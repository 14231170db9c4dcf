package recipes

import (
	"context"
	"errors"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/clients"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// A UDP server for metrics.

// Metric is one datagram in JSON.
type Metric struct {
	Name  string
	Value float64
}

// collect calls show every second with the sums of the metrics received, until ctx ends.
func collect(ctx context.Context, conn *chanio.PacketConn, show func(sums map[string]float64) error) error {
	d := codec.Packets(&conn.Duplex, codec.JSON[Metric](), nil) // invalid datagrams are skipped
	seconds := pipeline.Rollup(d.In, time.Second,
		func() map[string]float64 { return map[string]float64{} },
		func(sums map[string]float64, m codec.Addressed[Metric]) map[string]float64 {
			sums[m.Value.Name] += m.Value.Value // m.Addr is the sender
			return sums
		})
	return pipeline.ForEach(ctx, seconds, func(s pipeline.Span[map[string]float64]) error { return show(s.Value) })
}

func listenMetrics(ctx context.Context, addr string, show func(sums map[string]float64) error) error {
	conn, err := servers.ListenUDP(addr, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	return collect(ctx, conn, show)
}

func report(ctx context.Context, addr string, m Metric) error {
	conn, err := clients.DialUDP(ctx, addr, nil)
	if err != nil {
		return err
	}
	d := codec.Packets(&conn.Duplex, codec.JSON[Metric](), nil)
	return errors.Join(d.Out.Send(ctx, codec.Addressed[Metric]{Value: m}), conn.Close())
}
