// Package suite measures contenders side by side and reports which thresholds they reach.
//
// Contenders that are compared form a [Group]. They are measured in rounds, in turn within each round (A B A B). A
// comparison is the median of the ratios within each round, so that a slow phase of the machine affects both sides.
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
	X          string  // the meaning of the contenders' X, for a plot of lines
	Note       string  // further information about the figures
	NotQuick   bool    // the quick suite omits it
	Rounds     int     // the maximum number of rounds; 0 means that of the run
	Share      float64 // share of the time of other groups; 0 means 1
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

	Line string  // the line of a plot over X
	X    float64 // its X
}

// Measure is a started contender.
type Measure interface {
	// Round measures for about d.
	Round(ctx context.Context, d time.Duration) (Sample, error)

	// Close ends the contender and waits for it.
	Close() error
}

// Sample is the result of one round. A part that does not apply is zero.
type Sample struct {
	Value      float64       `json:"value"`            // in the group's unit
	CPU        time.Duration `json:"cpu,omitempty"`    // of the server, for each reply
	Allocs     float64       `json:"allocs,omitempty"` // for each reply or item
	Writes     float64       `json:"writes,omitempty"` // system calls of the server that wrote, for each reply
	Reads      float64       `json:"reads,omitempty"`  // system calls that read
	RSS        int64         `json:"rss,omitempty"`    // of the server, bytes
	LoadCPU    float64       `json:"loadCPU,omitempty"`
	Stack      float64       `json:"stack,omitempty"`      // of Value, bytes of goroutine stacks
	Goroutines float64       `json:"goroutines,omitempty"` // for each connection
	P50        time.Duration `json:"p50,omitempty"`        // latency of the replies; in a closed loop the target is busy
	P99        time.Duration `json:"p99,omitempty"`
	P999       time.Duration `json:"p999,omitempty"`
	Late       float64       `json:"late,omitempty"`   // share of the replies that took more than 10 ms
	Points     []load.Point  `json:"points,omitempty"` // of the latency, in an open loop
}

// Bar is a threshold: a figure computed from the values of one round, and its limit.
type Bar struct {
	What  string                                       // in words
	Needs []string                                     // contenders
	Of    func(value func(name string) Sample) float64 // computed from their samples
	Limit float64
	Most  bool   // the limit is a maximum; otherwise a minimum
	Unit  string // empty for a ratio
	Aside bool   // no limit: the figure is shown beside that of another threshold
}

// AtLeast is the threshold for ours to have at least limit times the value of theirs.
func AtLeast(limit float64, ours, theirs string) Bar {
	return Bar{What: ours + " / " + theirs, Needs: []string{ours, theirs}, Of: ratio(ours, theirs), Limit: limit}
}

// Aside is the same ratio without a limit.
func Aside(ours, theirs string) Bar {
	bar := AtLeast(0, ours, theirs)
	bar.Aside = true
	return bar
}

// AtMost is the threshold for ours to have at most limit times the value of theirs.
func AtMost(limit float64, ours, theirs string) Bar {
	bar := AtLeast(limit, ours, theirs)
	bar.Most = true
	return bar
}

func ratio(a, b string) func(func(string) Sample) float64 {
	return func(value func(string) Sample) float64 { return value(a).Value / value(b).Value }
}
