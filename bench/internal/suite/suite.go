// Package suite measures contenders side by side and says which bars they reach.
//
// Contenders that are compared form a [Group]. They are measured in rounds, one after the other in each (A B A B),
// and a comparison is the median of the ratios within each round, so that what slows the machine for a while slows both
// sides.
package suite

import (
	"context"
	"time"

	"github.com/weir-go/weir/bench/internal/load"
)

// Group is a table of contenders that do the same work.
type Group struct {
	Name       string // short, for -run
	Title      string
	Unit       string  // of Sample.Value
	LessIsMore bool    // smaller values are better
	X          string  // what the X of the contenders is, if their values are to be lines over it
	Note       string  // what else is to be known of the figures
	NotQuick   bool    // it is left out where there is a minute for everything
	Rounds     int     // at most so many; 0 means as many as there are
	Share      float64 // of the time that others have for a measurement; 0 means 1
	Contenders []Contender
	Bars       []Bar
}

func (g Group) rounds(n int) int {
	if g.Rounds > 0 {
		return min(n, g.Rounds)
	}
	return n
}

// share is the time of a measurement of this group, when d is that of others.
func (g Group) share(d time.Duration) time.Duration {
	if g.Share > 0 {
		return time.Duration(g.Share * float64(d))
	}
	return d
}

// Contender is one row of a group.
type Contender struct {
	Name  string
	Ours  bool
	Start func(ctx context.Context) (Measure, error)

	Line string  // of a plot over X, if the group is one
	X    float64 // where on it
}

// Measure is a contender that has been started.
type Measure interface {
	// Round measures for about d.
	Round(ctx context.Context, d time.Duration) (Sample, error)

	// Close ends what was started and waits for it.
	Close() error
}

// Sample is what one round came to. A part that does not apply is zero.
type Sample struct {
	Value      float64       `json:"value"`            // in the group's unit
	CPU        time.Duration `json:"cpu,omitempty"`    // of the server, for each reply
	Allocs     float64       `json:"allocs,omitempty"` // for each reply or item
	Writes     float64       `json:"writes,omitempty"` // system calls of the server that wrote, for each reply
	Reads      float64       `json:"reads,omitempty"`  // and that read
	RSS        int64         `json:"rss,omitempty"`    // of the server, bytes
	LoadCPU    float64       `json:"loadCPU,omitempty"`
	Stack      float64       `json:"stack,omitempty"`      // of Value, bytes of goroutine stacks
	Goroutines float64       `json:"goroutines,omitempty"` // for each connection
	P50        time.Duration `json:"p50,omitempty"`        // latency of the replies; in a closed loop, that of a busy target
	P99        time.Duration `json:"p99,omitempty"`
	P999       time.Duration `json:"p999,omitempty"`
	Late       float64       `json:"late,omitempty"`   // share of the replies that took more than 10 ms
	Points     []load.Point  `json:"points,omitempty"` // of the latency, in an open loop
}

// Bar is a figure made of the values of one round, and its limit.
type Bar struct {
	What  string                                       // in words
	Needs []string                                     // contenders
	Of    func(value func(name string) Sample) float64 // from the samples of those
	Limit float64
	Most  bool   // the limit is the most it may be; otherwise the least
	Unit  string // empty for a ratio
	Aside bool   // there is no limit: the figure stands beside that of another bar
}

// AtLeast is the bar for ours to have at least limit times what theirs has.
func AtLeast(limit float64, ours, theirs string) Bar {
	return Bar{What: ours + " / " + theirs, Needs: []string{ours, theirs}, Of: ratio(ours, theirs), Limit: limit}
}

// Aside has the same ratio without a limit.
func Aside(ours, theirs string) Bar {
	bar := AtLeast(0, ours, theirs)
	bar.Aside = true
	return bar
}

// AtMost is the bar for ours to take at most limit times what theirs takes.
func AtMost(limit float64, ours, theirs string) Bar {
	bar := AtLeast(limit, ours, theirs)
	bar.Most = true
	return bar
}

func ratio(a, b string) func(func(string) Sample) float64 {
	return func(value func(string) Sample) float64 { return value(a).Value / value(b).Value }
}
