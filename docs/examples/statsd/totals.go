package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/pipeline"
)

// totals summarizes one period.
type totals struct {
	counters  map[string]float64
	gauges    map[string]float64
	timers    map[string][]float64
	sets      map[string]map[string]bool
	malformed int // malformed lines
}

func newTotals() totals {
	return totals{
		counters: map[string]float64{}, gauges: map[string]float64{},
		timers: map[string][]float64{}, sets: map[string]map[string]bool{},
	}
}

// rollups returns the totals of every period. Gauges keep their values between periods. Closing it closes packets.
func rollups(packets *chanio.Source[chanio.Packet], period time.Duration) *chanio.Source[pipeline.Span[totals]] {
	gauges := map[string]float64{}
	return pipeline.Rollup(packets, period, newTotals, func(t totals, p chanio.Packet) totals {
		for line := range strings.SplitSeq(strings.Trim(string(p.Data), "\n"), "\n") {
			m, err := parse(line)
			if err != nil {
				t.malformed++
			} else {
				t.add(m, gauges)
			}
		}
		return t
	})
}

// add adds one metric. gauges holds the gauges of all periods.
func (t totals) add(m metric, gauges map[string]float64) {
	switch m.kind {
	case "c":
		t.counters[m.name] += m.n / m.rate
	case "g":
		if m.isChange() {
			m.n += gauges[m.name]
		}
		gauges[m.name], t.gauges[m.name] = m.n, m.n
	case "ms":
		t.timers[m.name] = append(t.timers[m.name], m.n)
	case "s":
		if t.sets[m.name] == nil {
			t.sets[m.name] = map[string]bool{}
		}
		t.sets[m.name][m.text] = true
	}
}

// String lists the totals by name; it is empty if nothing was received.
func (t totals) String() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	for name, n := range t.counters {
		say("%s=%g", name, n)
	}
	for name, n := range t.gauges {
		say("%s=%g (gauge)", name, n)
	}
	for name, times := range t.timers {
		sum := 0.0
		for _, ms := range times {
			sum += ms
		}
		say("%s=%gms (mean of %d)", name, sum/float64(len(times)), len(times))
	}
	for name, members := range t.sets {
		say("%s=%d (distinct)", name, len(members))
	}
	slices.Sort(words)
	if t.malformed > 0 {
		say("(%d malformed)", t.malformed)
	}
	return strings.Join(words, " ")
}
