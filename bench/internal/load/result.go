package load

import (
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is the result of a run. If the run failed, it holds the results up to the failure.
type Result struct {
	Replies  uint64        `json:"replies"`            // counted, each of them checked
	Total    uint64        `json:"total"`              // including the warm-up and the end
	Conns    uint64        `json:"conns,omitempty"`    // connections opened while counting, if they are replaced
	Time     time.Duration `json:"time"`               // in which the counted replies arrived
	CPU      time.Duration `json:"cpu"`                // of the generator, over that time
	Mallocs  uint64        `json:"mallocs"`            // of the generator, over that time
	Latency  Latency       `json:"latency"`            // from the intended start of a request to its reply
	Lag      Latency       `json:"lag"`                // open loop: from the intended start to when the request was written
	Late     uint64        `json:"late"`               // replies with a latency above Spec.Late
	Lost     uint64        `json:"lost,omitempty"`     // udp: requests without a reply
	Timeline []Second      `json:"timeline,omitempty"` // of the counted time
	Error    string        `json:"error,omitempty"`    // why it failed

	latency *hdrhistogram.Histogram
}

// Rate returns the replies per second.
func (r Result) Rate() float64 {
	if r.Time <= 0 {
		return 0
	}
	return float64(r.Replies) / r.Time.Seconds()
}

// CPUShare returns how much of one processor the generator used.
func (r Result) CPUShare() float64 {
	if r.Time <= 0 {
		return 0
	}
	return float64(r.CPU) / float64(r.Time)
}

// WriteHistogram writes every percentile, in milliseconds, in the format that HdrHistogram's plotter reads.
func (r Result) WriteHistogram(w io.Writer) error {
	h := r.latency
	if h == nil {
		h = newHistogram()
	}
	_, err := h.PercentilesPrint(w, 5, float64(time.Millisecond))
	return err
}

// Second is one interval of the timeline.
type Second struct {
	At      time.Duration `json:"at"`   // since counting began
	Took    time.Duration `json:"took"` // about a second
	Replies uint64        `json:"replies"`
	Late    uint64        `json:"late,omitempty"`
	P50     time.Duration `json:"p50"`
	P99     time.Duration `json:"p99"`
	Max     time.Duration `json:"max"`
}

// Latency is a distribution.
type Latency struct {
	Count  uint64        `json:"count"`
	Min    time.Duration `json:"min"`
	Mean   time.Duration `json:"mean"`
	P50    time.Duration `json:"p50"`
	P90    time.Duration `json:"p90"`
	P99    time.Duration `json:"p99"`
	P999   time.Duration `json:"p999"`
	Max    time.Duration `json:"max"`
	Points []Point       `json:"points,omitempty"` // for a plot
}

// Point means that a share of all values is at most Value.
type Point struct {
	Share float64       `json:"share"`
	Value time.Duration `json:"value"`
}

// plotted are the shares of the points of a Latency.
var plotted = []float64{0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	n := h.TotalCount()
	if n == 0 {
		return Latency{}
	}
	at := func(percent float64) time.Duration { return time.Duration(h.ValueAtPercentile(percent)) }
	l := Latency{
		Count: uint64(n), Min: time.Duration(h.Min()), Mean: time.Duration(h.Mean()), Max: time.Duration(h.Max()),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
	}
	for _, percent := range plotted {
		if beyond := float64(n) * (100 - percent) / 100; beyond < 1 && percent > 50 {
			break // too few values
		}
		l.Points = append(l.Points, Point{percent / 100, at(percent)})
	}
	return l
}

func secondOf(t tally, at, took time.Duration) Second {
	h := t.latency
	return Second{
		At: at, Took: took, Replies: uint64(h.TotalCount()), Late: t.late, Max: time.Duration(h.Max()),
		P50: time.Duration(h.ValueAtPercentile(50)), P99: time.Duration(h.ValueAtPercentile(99)),
	}
}
