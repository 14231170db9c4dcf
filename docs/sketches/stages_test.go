package sketches

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/codec"
	"github.com/weir-go/weir/pipeline"
	"github.com/weir-go/weir/servers"
)

// stages is the five programs as pipelines.
type stages struct{}

func (stages) Echo(ctx context.Context, ln *servers.Listener) error {
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		return pipeline.Connect(ctx, c.In, c.Out)
	})
}

func (stages) JSON(ctx context.Context, ln *servers.Listener) error {
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		numbers := codec.Frame(c, numberFrames)
		incremented := pipeline.Map(numbers.In, func(m Number) Number { return Number{m.N + 1} })
		return pipeline.Connect(ctx, incremented, numbers.Out)
	})
}

func (stages) Statsd(ctx context.Context, socket *chanio.PacketConn, every time.Duration, emit func(Sums) error) error {
	metrics := pipeline.FilterMap(socket.In, parseMetric)
	rollups := pipeline.Rollup(metrics, every, newSums, addMetric)
	return pipeline.ForEach(ctx, rollups, func(s pipeline.Span[Sums]) error { return emit(s.Value) })
}

func newSums() Sums { return Sums{} }

func addMetric(sums Sums, m Metric) Sums {
	sums[m.Name] += m.Value
	return sums
}

func (stages) Chat(ctx context.Context, ln *servers.Listener) error {
	var rooms Bus
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		lines := codec.Frame(c, codec.Lines)
		room, err := lines.In.Recv(ctx)
		if err != nil {
			return err
		}
		name, err := lines.In.Recv(ctx)
		if err != nil {
			return err
		}
		said := pipeline.Map(lines.In, func(s string) string { return name + ": " + s })
		heard := rooms.Subscribe(room, 16)
		defer heard.Close()
		return chanio.Race(ctx,
			func(ctx context.Context) error { return pipeline.Connect(ctx, said, rooms.Topic(room)) },
			func(ctx context.Context) error { return pipeline.Connect(ctx, heard, lines.Out) })
	})
}

func (stages) Numbers(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("count"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i := -1
	ticks := pipeline.Periodically(period, func(time.Time) []byte { i++; return fmt.Appendln(nil, i) })
	_ = pipeline.Connect(r.Context(), pipeline.Take(ticks, n), Body(w)) // the client has gone
}
