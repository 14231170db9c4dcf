package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/weir-go/weir/bench/internal/child"
	"github.com/weir-go/weir/bench/internal/load"
)

// Load is the report of bench load.
type Load struct {
	Machine Machine      `json:"machine"`
	Spec    load.Spec    `json:"spec"`
	Result  load.Result  `json:"result"`
	Server  *child.Share `json:"server,omitempty"`
}

// Text writes the report for a terminal.
func (l Load) Text(w io.Writer) error {
	r, s := l.Result, l.Spec
	fmt.Fprintf(w, "%s, %s\n\n", s.URL, loop(s))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "replies\t%d in %v, each of them checked\n", r.Replies, r.Time.Round(time.Millisecond))
	fmt.Fprintf(tw, "rate\t%.0f/s\n", r.Rate())
	if r.Conns > 0 {
		fmt.Fprintf(tw, "connections\t%.0f/s\n", float64(r.Conns)/r.Time.Seconds())
	}
	fmt.Fprintf(tw, "late\t%d took longer than %v\n", r.Late, lateOf(s))
	if r.Lost > 0 {
		fmt.Fprintf(tw, "lost\t%d\n", r.Lost)
	}
	fmt.Fprintf(tw, "generator\t%.2f of %d processors\n", r.CPUShare(), l.Machine.Processors)
	if l.Server != nil {
		fmt.Fprintf(tw, "server\t%.2f processors, %.1f MiB\n", l.Server.CPU, float64(l.Server.RSS)/(1<<20))
	}
	fmt.Fprintf(tw, "\n\tp50\tp90\tp99\tp99.9\tmax\n")
	distribution(tw, "latency", r.Latency)
	if s.Rate > 0 {
		distribution(tw, "sent after its time", r.Lag)
	}
	timeline(tw, r.Timeline)
	return tw.Flush()
}

func loop(s load.Spec) string {
	kind := fmt.Sprintf("closed loop, %d in flight on each", s.Window)
	if s.Rate > 0 {
		kind = fmt.Sprintf("open loop at %.0f/s", s.Rate)
	}
	conns := fmt.Sprintf("%d connections", s.Conns)
	if s.Conns == 1 {
		conns = "1 connection"
	}
	return fmt.Sprintf("%s, %d bytes, %s, %s", s.Codec, s.Size, conns, kind)
}

func lateOf(s load.Spec) time.Duration {
	if s.Late == 0 {
		return 10 * time.Millisecond
	}
	return s.Late
}

func distribution(w io.Writer, name string, d load.Latency) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", name, Short(d.P50), Short(d.P90), Short(d.P99), Short(d.P999), Short(d.Max))
}

// Short formats three figures of a duration.
func Short(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d >= time.Microsecond:
		return d.Round(100 * time.Nanosecond).String()
	}
	return d.String()
}

// timeline shows at most forty lines, evenly spaced.
func timeline(w io.Writer, all []load.Second) {
	const most = 40
	step := (len(all) + most - 1) / most
	if step == 0 {
		return
	}
	fmt.Fprintf(w, "\nat\treplies\tlate\tp50\tp99\tmax\n")
	for i := 0; i < len(all); i += step {
		s := all[i]
		fmt.Fprintf(w, "%v\t%d\t%d\t%s\t%s\t%s\n",
			s.At.Round(100*time.Millisecond), s.Replies, s.Late, Short(s.P50), Short(s.P99), Short(s.Max))
	}
}
