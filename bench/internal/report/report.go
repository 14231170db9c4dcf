// Package report writes results for a terminal, as JSON, as Markdown, and as one page of HTML with plots.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-go/weir/bench/internal/suite"
)

// Report is the result of a run of the suite.
type Report struct {
	Machine     Machine       `json:"machine"`
	Kind        string        `json:"kind"` // quick, short or full
	Rounds      int           `json:"rounds"`
	Time        time.Duration `json:"time"`   // of one measurement
	Took        time.Duration `json:"took"`   // all of it
	Others      float64       `json:"others"` // processors that other processes used meanwhile; negative if unknown
	Interrupted bool          `json:"interrupted,omitempty"`
	Tables      []suite.Table `json:"tables"`
}

// JSON writes the report so that [Read] can read it.
func (r Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// Read reads a report from a file that JSON wrote.
func Read(name string) (r Report, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("report: %s: %w", name, err)
	}
	if len(r.Tables) == 0 {
		return r, fmt.Errorf("report: %s has no tables", name)
	}
	return r, nil
}

// facts describes where, when and how the report was measured, and how much the rounds differed.
func (r Report) facts() []string {
	m := r.Machine
	facts := []string{
		fmt.Sprintf("machine: %s, %d processors, memory %s", orUnknown(m.CPU), m.Processors, orUnknown(m.Memory)),
		fmt.Sprintf("system: %s, kernel %s, %s, GOMAXPROCS %d", m.System, orUnknown(m.Kernel), m.Go, m.MaxProcs),
		fmt.Sprintf("load averages at the start: %s", orUnknown(m.Load)),
		fmt.Sprintf("settings: %s, %d rounds of %v for each row at most, servers and generator on the same machine",
			r.Kind, r.Rounds, r.Time.Round(time.Millisecond)),
		r.noiseFact(),
		fmt.Sprintf("started %s, took %v", m.At.Format(time.RFC3339), r.Took),
	}
	if r.Others >= 0 {
		facts = append(facts, fmt.Sprintf("other processes used %.2f of the %d processors during the run", r.Others, m.Processors))
	}
	if m.Revision != "" {
		facts = append(facts, "revision: "+m.Revision)
	}
	if r.Interrupted {
		facts = append(facts, "INTERRUPTED: later results are missing")
	}
	return facts
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// Beyond these limits the machine was too busy, or too uneven, for reliable figures.
const (
	busyStart  = 0.5  // load average of the last minute at the start, for each processor; asked only if the next is unknown
	busyOthers = 0.25 // share of each processor that others used meanwhile
	busyNoise  = 1.3  // the factor by which the rounds of the median row differ
)

// warning explains why the figures are unreliable, if they are.
func (r Report) warning() string {
	var why []string
	var load float64
	n := float64(max(r.Machine.Processors, 1))
	// A load average includes the compilation by go run, which has ended. What ran meanwhile is better evidence.
	if _, err := fmt.Sscan(r.Machine.Load, &load); r.Others < 0 && err == nil && load > busyStart*n {
		why = append(why, fmt.Sprintf("its load average was %.1f before the start", load))
	}
	if r.Others > busyOthers*n {
		why = append(why, fmt.Sprintf("other processes used %.1f of %d processors", r.Others, r.Machine.Processors))
	}
	if m := r.noise().Median; m > busyNoise {
		why = append(why, fmt.Sprintf("rounds of the same row differed by a factor of %.1f", m))
	}
	if len(why) == 0 {
		return ""
	}
	return "this machine was too busy for these figures to mean anything: " + strings.Join(why, ", ") +
		". Measure again when it is idle."
}

// noise returns the spread of the factors by which the rounds of each row differ.
func (r Report) noise() suite.Spread {
	var factors []float64
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if v := row.Values(); v.Min > 0 && len(row.Rounds) > 1 {
				factors = append(factors, v.Max/v.Min)
			}
		}
	}
	return suite.SpreadOf(factors)
}

func (r Report) noiseFact() string {
	n := r.noise()
	if n.Max == 0 {
		return "noise: unknown, because each row has one round"
	}
	return fmt.Sprintf("noise: the rounds of a row differed by a factor of %.2f (median row) and %.2f (worst row); "+
		"%d of %d groups were measured again", n.Median, n.Max, r.retried(), len(r.Tables))
}

func (r Report) retried() (n int) {
	for _, t := range r.Tables {
		if t.Retried {
			n++
		}
	}
	return n
}

// count returns how many thresholds have a verdict.
func (r Report) count(v suite.Verdict) (n int) {
	for _, t := range r.Tables {
		for _, b := range t.Bars {
			if b.Verdict == v {
				n++
			}
		}
	}
	return n
}

// summary counts the verdicts.
func (r Report) summary() string {
	var parts []string
	for _, v := range suite.Verdicts() {
		if n := r.count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return "thresholds: " + strings.Join(parts, ", ")
}
