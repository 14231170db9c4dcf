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

// channels is the five programs with range and select.
type channels struct{}

func (channels) Echo(ctx context.Context, ln *servers.Listener) error {
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		for chunk := range c.In.C(ctx) {
			c.Out.C(ctx) <- chunk
		}
		return c.In.Err()
	})
}

func (channels) JSON(ctx context.Context, ln *servers.Listener) error {
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		numbers := codec.Frame(c, numberFrames)
		for m := range numbers.In.C(ctx) {
			numbers.Out.C(ctx) <- Number{m.N + 1}
		}
		return numbers.In.Err()
	})
}

func (channels) Statsd(ctx context.Context, socket *chanio.PacketConn, every time.Duration, emit func(Sums) error) error {
	sums, metrics, tick := Sums{}, pipeline.FilterMap(socket.In, parseMetric), time.Tick(every)
	for {
		select {
		case m, ok := <-metrics.C(ctx):
			if !ok {
				return metrics.Err()
			}
			sums[m.Name] += m.Value
		case <-tick:
			if err := emit(sums); err != nil {
				return err
			}
			sums = Sums{}
		}
	}
}

func (channels) Chat(ctx context.Context, ln *servers.Listener) error {
	var rooms Bus
	return ln.Serve(ctx, func(ctx context.Context, c *chanio.Conn) error {
		lines := codec.Frame(c, codec.Lines)
		in, out := lines.In.C(ctx), lines.Out.C(ctx)
		room, name := <-in, <-in
		heard := rooms.Subscribe(room, 16)
		defer heard.Close()
		for {
			select {
			case said, ok := <-in:
				if !ok {
					return lines.In.Err()
				}
				rooms.Publish(room, name+": "+said)
			case m, ok := <-heard.C(ctx):
				if !ok {
					return heard.Err()
				}
				out <- m
			}
		}
	})
}

func (channels) Numbers(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("count"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, tick := Body(w).C(r.Context()), time.Tick(period)
	for i := range n {
		select {
		case <-tick:
			out <- fmt.Appendln(nil, i)
		case <-r.Context().Done():
			return // the client has gone
		}
	}
}
